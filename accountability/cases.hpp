// Two of the report's case studies, generated. [TR IV-B, IV-C]
#pragma once
#include "accountability/store.hpp"

namespace seneschal::accountability {

/// A common operation picture: every unit reports its state once a minute. Into that falls a small story: an
/// intelligence officer reports an enemy unit three kilometres from where it is; a logistics convoy plots its path
/// around that, the supplied unit chooses a meeting point on the path, and a commando unit plans its attack.
struct Picture {
  std::uint32_t units = 5000;
  std::uint32_t minutes = 720;
  std::uint64_t seed = 1;
};
struct PictureStory {
  UpdateId false_report, convoy_path, meeting_point, attack_plan;
  ClientId officer;
};
/// Status reports depend on nothing but, one in ten, on what another unit reported in the last minutes.
Result<PictureStory> generate(const Picture& picture, StoreWriter& to);

/// A biodefense network: messages of clinicians, most in answer to earlier ones of the same thread.
struct Threads {
  std::uint32_t members = 300;
  std::uint64_t messages = 50'000;
  std::uint64_t seed = 1;
};
/// The client whose message opened most threads is the one to look at first; it is returned.
Result<ClientId> generate(const Threads& threads, StoreWriter& to);

}  // namespace seneschal::accountability
