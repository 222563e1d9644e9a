#include "accountability/cases.hpp"

#include "base/check.hpp"
#include "base/prng.hpp"
#include "crypto/digest.hpp"
#include "replication/kv.hpp"

#include <algorithm>
#include <array>

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
    const auto id = to_.add(update);
    if (!id && status_) status_ = failure(std::string(to_string(id.error())));
    if (id && id->value % 4096 == 0 && status_) status_ = to_.flush();
    return id.value_or(UpdateId(0));
  }
  /// A step of the story.
  UpdateId tell(ClientId client, Seq seq, const Formula& formula, CaseStory& story, CaseStory::Step step) {
    step.id = tell(client, seq, formula, step.key, step.text);
    story.steps.push_back(std::move(step));
    return story.steps.back().id;
  }
  Status finish() { return status_ ? to_.seal() : status_; }

 private:
  StoreWriter& to_;
  Status status_;
};

/// Four messages of five answer one that was written recently, one in twenty of these also a second. On average a
/// message is answered less than once, so threads end.
Formula answer(const std::vector<UpdateId>& recent, Prng& random) {
  if (recent.empty() || random.chance(1, 5)) return {};
  std::vector<UpdateId> names = {recent[random.below(recent.size())]};
  if (random.chance(1, 20)) names.push_back(recent[random.below(recent.size())]);
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return Formula::all(names);
}

}  // namespace

const CaseStory::Step& CaseStory::of(std::string_view key) const {
  const auto step = std::ranges::find(steps, key, &Step::key);
  CHECK(step != steps.end());
  return *step;
}

Result<CaseStory> generate(const Picture& picture, StoreWriter& to) {
  if (picture.units < 17 || picture.units > 1'000'000 || picture.minutes < 10 || picture.minutes > 100'000)
    return failure("a picture needs 17 to 1,000,000 units and 10 to 100,000 minutes");
  Teller teller(to);
  Prng random(picture.seed);
  // Clients beyond the units have parts in the story.
  const ClientId officer(picture.units + 1), convoy(picture.units + 2), commando(picture.units + 3);
  CaseStory story;
  story.liar = officer;
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
    const auto on = [&](const char* key) { return Formula::all({&story.of(key).id, 1}); };
    if (minute == begin)
      teller.tell(officer, seq, {}, story, {"intelligence officer", "enemy/1", "3 km south of the bridge", {}});
    if (minute == begin + 1)
      teller.tell(convoy, seq, on("enemy/1"), story,
                  {"logistics convoy", "convoy/path", "north road, around the enemy", {}});
    if (minute == begin + 2)
      teller.tell(ClientId(17), seq, on("convoy/path"), story,
                  {"supplied unit", "unit/17/meeting", "crossroads on the north road", {}});
    if (minute == begin + 3)
      teller.tell(commando, seq, on("enemy/1"), story,
                  {"commando unit", "commando/plan", "at dawn, from the east", {}});
  }
  if (Status done = teller.finish(); !done) return std::unexpected(done.error());
  return story;
}

std::string message_key(const Threads& threads, std::uint64_t n) {
  return "day/" + std::to_string(n / threads.per_day + 1) + "/message/" + std::to_string(n);
}

Result<CaseStory> generate(const Threads& threads, StoreWriter& to) {
  if (threads.members == 0 || threads.members > 1'000'000 || threads.messages < 100 || threads.per_day == 0)
    return failure("a network needs 1 to 1,000,000 members, 100 messages and one message a day, at least");
  Teller teller(to);
  Prng random(threads.seed);
  std::vector<UpdateId> recent;  // what people answer to
  constexpr std::size_t kRecent = 400;
  // Clients beyond the members have parts in the story.
  const ClientId stolen(threads.members + 1), depot(threads.members + 2), office(threads.members + 3),
      laboratory(threads.members + 4), airport(threads.members + 5);
  CaseStory story;
  story.liar = stolen;
  for (std::uint64_t n = 0; n < threads.messages; ++n) {
    // Few members write most: the smaller of two draws.
    const std::uint64_t one = random.below(threads.members), other = random.below(threads.members);
    const ClientId member(static_cast<std::uint32_t>(1 + std::min(one, other)));
    const Formula formula = answer(recent, random);
    const UpdateId id = teller.tell(member, Seq(n + 1), formula, message_key(threads, n),
                                    formula.leaves().empty() ? "observation" : "answer");
    if (recent.size() < kRecent)
      recent.push_back(id);
    else
      recent[n % kRecent] = id;

    const Seq seq(n + 1);
    const auto on = [&](const char* key) { return Formula::all({&story.of(key).id, 1}); };
    const std::uint64_t begin = threads.messages / 3;
    if (n == begin) {
      // People answer the lie like any other message.
      recent[n % recent.size()] =
          teller.tell(stolen, seq, {}, story, {"stolen password", "cases/springfield", "12 cases of smallpox", {}});
    } else if (n == begin + 5) {
      teller.tell(laboratory, seq, {}, story,
                  {"Shelbyville laboratory", "cases/shelbyville", "2 cases confirmed", {}});
    } else if (n == begin + 10) {
      teller.tell(depot, seq, on("cases/springfield"), story,
                  {"vaccine depot", "vaccine/shipment", "all of it to Springfield", {}});
    } else if (n == begin + 15) {
      teller.tell(office, seq, on("vaccine/shipment"), story,
                  {"editorial office", "advisory/7", "vaccination in Springfield only", {}});
    } else if (n == begin + 20) {
      const std::array<UpdateId, 2> sources = {story.of("cases/springfield").id, story.of("cases/shelbyville").id};
      teller.tell(airport, seq, Formula::any(sources), story,
                  {"Shelbyville airport", "airport/shelbyville", "closed", {}});
    }
  }
  if (Status done = teller.finish(); !done) return std::unexpected(done.error());
  return story;
}

}  // namespace seneschal::accountability
