#include "accountability/cases.hpp"

#include "base/prng.hpp"
#include "crypto/digest.hpp"
#include "replication/kv.hpp"

#include <algorithm>

namespace seneschal::accountability {
namespace {

/// Adds updates that write one key each, and keeps the first error.
class Teller {
 public:
  explicit Teller(StoreWriter& to) : to_(to) {}

  UpdateId tell(ClientId client, Seq seq, const Formula& formula, const std::string& key, const std::string& text) {
    const Bytes operation = replication::kv::put(key, as_span(text));
    NewUpdate update;
    update.client = client;
    update.seq = seq;
    update.formula = formula;
    update.operation = operation;
    update.digest = crypto::sha256(operation);
    const auto id = to_.add(update);
    if (!id && status_) status_ = failure(std::string(to_string(id.error())));
    if (id && id->value % 4096 == 0 && status_) status_ = to_.flush();
    return id.value_or(UpdateId(0));
  }
  Status finish() { return status_ ? to_.seal() : status_; }

 private:
  StoreWriter& to_;
  Status status_;
};

}  // namespace

Result<PictureStory> generate(const Picture& picture, StoreWriter& to) {
  if (picture.units < 10 || picture.units > 1'000'000 || picture.minutes < 10)
    return failure("a picture needs 10 to 1,000,000 units and at least 10 minutes");
  Teller teller(to);
  Prng random(picture.seed);
  // Clients beyond the units have parts in the story.
  const std::uint32_t officer = picture.units + 1, convoy = picture.units + 2, commando = picture.units + 3;
  PictureStory story;
  story.officer = ClientId(officer);
  const std::uint32_t begin = picture.minutes / 3;
  for (std::uint32_t minute = 0; minute < picture.minutes; ++minute) {
    const Seq seq(minute + 1);
    const std::uint64_t first_of_minute = to.next().value;
    for (std::uint32_t unit = 1; unit <= picture.units; ++unit) {
      Formula formula;
      if (minute > 0 && random.chance(1, 10)) {
        const std::uint64_t back = std::min<std::uint64_t>(first_of_minute - 1, 3ull * picture.units);
        const UpdateId seen(first_of_minute - 1 - random.below(back));
        formula = Formula::all({&seen, 1});
      }
      teller.tell(ClientId(unit), seq, formula, "unit/" + std::to_string(unit),
                  "minute " + std::to_string(minute) + ", fuel " + std::to_string(random.below(100)) + " %");
    }
    if (minute == begin)
      story.false_report = teller.tell(ClientId(officer), seq, {}, "enemy/1", "3 km south of the bridge");
    if (minute == begin + 1)
      story.convoy_path = teller.tell(ClientId(convoy), seq, Formula::all({&story.false_report, 1}), "convoy/path",
                                      "north road, around the enemy");
    if (minute == begin + 2)
      story.meeting_point = teller.tell(ClientId(17), seq, Formula::all({&story.convoy_path, 1}), "unit/17/meeting",
                                        "crossroads on the north road");
    if (minute == begin + 3)
      story.attack_plan = teller.tell(ClientId(commando), seq, Formula::all({&story.false_report, 1}),
                                      "commando/plan", "at dawn, from the east");
  }
  if (Status done = teller.finish(); !done) return std::unexpected(done.error());
  return story;
}

Result<ClientId> generate(const Threads& threads, StoreWriter& to) {
  if (threads.members == 0 || threads.members > 1'000'000) return failure("there must be 1 to 1,000,000 members");
  Teller teller(to);
  Prng random(threads.seed);
  std::vector<UpdateId> recent;  // what people answer to
  std::vector<std::uint32_t> opened(threads.members + 1);
  constexpr std::size_t kRecent = 400;
  for (std::uint64_t n = 0; n < threads.messages; ++n) {
    // Few members write most: the smaller of two draws.
    const auto member =
        static_cast<std::uint32_t>(1 + std::min(random.below(threads.members), random.below(threads.members)));
    std::vector<UpdateId> answered;
    if (!recent.empty() && !random.chance(1, 5))
      for (std::uint64_t i = random.between(1, 2); i > 0; --i)
        answered.push_back(recent[random.below(recent.size())]);
    std::ranges::sort(answered);
    answered.erase(std::unique(answered.begin(), answered.end()), answered.end());
    if (answered.empty()) ++opened[member];
    const UpdateId id = teller.tell(ClientId(member), Seq(n + 1), Formula::all(answered),
                                    "message/" + std::to_string(n), answered.empty() ? "observation" : "answer");
    if (recent.size() < kRecent)
      recent.push_back(id);
    else
      recent[n % kRecent] = id;
  }
  if (Status done = teller.finish(); !done) return std::unexpected(done.error());
  return ClientId(static_cast<std::uint32_t>(std::ranges::max_element(opened) - opened.begin()));
}

}  // namespace seneschal::accountability
