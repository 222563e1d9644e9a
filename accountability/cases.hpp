// Two of the report's case studies, generated. [TR IV-B, IV-C]
#pragma once
#include "accountability/store.hpp"

#include <string>
#include <vector>

namespace seneschal::accountability {

/// What happens among thousands of honest updates: somebody lies, others build on it.
struct CaseStory {
  struct Step {
    std::string who, key, text;
    UpdateId id;
  };
  ClientId liar;
  std::vector<Step> steps;  // the lie first

  /// `key` must be one of the story's.
  const Step& of(std::string_view key) const;
};

/// A common operation picture: every unit reports its state once a minute. Into that falls a small story: an
/// intelligence officer reports an enemy unit three kilometres from where it is; a logistics convoy plots its path
/// around that, the supplied unit chooses a meeting point on the path, and a commando unit plans its attack.
struct Picture {
  std::uint32_t units = 5000;
  std::uint32_t minutes = 720;
  std::uint64_t seed = 1;
};
/// Status reports depend on nothing but, one in ten, on what another unit reported in the last minutes.
Result<CaseStory> generate(const Picture& picture, StoreWriter& to);

/// A biodefense network: messages of clinicians, four of five in answer to a recent one, one of twenty of those also
/// to a second. Into that falls a story: with a stolen password somebody reports cases of smallpox where there are
/// none. The vaccine is sent there and an advisory rests on that; a second city closes its airport because of that
/// report or of its own laboratory's, which is true.
struct Threads {
  std::uint32_t members = 300;
  std::uint64_t messages = 48'000;
  std::uint64_t per_day = 4'000;
  std::uint64_t seed = 1;
};
Result<CaseStory> generate(const Threads& threads, StoreWriter& to);
/// Key of the message that is number `n`, from 0: its day is in it.
std::string message_key(const Threads& threads, std::uint64_t n);

}  // namespace seneschal::accountability
