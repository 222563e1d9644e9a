#include "accountability/regenerate.hpp"

#include "base/check.hpp"

#include <algorithm>
#include <ranges>

namespace seneschal::accountability {
namespace {

/// Goes through a state in the order of its parts, some at a time.
class Walk {
 public:
  using Part = replication::Application::Part;
  explicit Walk(const replication::Application& state) : state_(state) { fetch({}); }
  const Part* at() const { return next_ < parts_.size() ? &parts_[next_] : nullptr; }
  void step() {
    if (++next_ < parts_.size() || parts_.size() < kAtOnce) return;
    Bytes after = parts_.back().key;
    after.push_back(0);
    fetch(after);
  }

 private:
  static constexpr std::size_t kAtOnce = 1024;
  void fetch(const Bytes& from) {
    parts_.clear();
    next_ = 0;
    state_.each_part(from, [this](const Part& part) {
      parts_.push_back(part);
      return parts_.size() < kAtOnce;
    });
  }
  const replication::Application& state_;
  std::vector<Part> parts_;
  std::size_t next_ = 0;
};

/// The state after `last`, if it can be read and is the one that was signed; else what is wrong, and nothing changes.
std::optional<std::string> take(const Store& store, UpdateId last, bool signed_states,
                                replication::Application& application) {
  auto snapshot = store.snapshot(last);
  if (!snapshot) return snapshot.error().message;
  const std::string which = "snapshot after update " + std::to_string(last.value) + ": ";
  if (signed_states && store.noted_state(last) != snapshot->state_digest)
    return which + "it is not the state that was signed";
  std::vector<SharedBytes> chunks;
  for (auto& chunk : snapshot->chunks.items) chunks.push_back(share(std::move(chunk.value)));
  const Digest before = application.digest();
  const auto earlier = application.freeze();
  if (Status good = application.thaw(chunks); !good) return which + good.error().message;
  if (application.digest() == snapshot->state_digest) return std::nullopt;
  std::vector<SharedBytes> old;
  for (std::size_t i = 0; i < earlier->chunks(); ++i) old.push_back(earlier->chunk(i));
  const Status back = application.thaw(old);
  CHECK(back.has_value() && application.digest() == before);
  return which + "its state is not the one it names";
}

}  // namespace

Result<Regenerated> regenerate(const Store& store, const Colours& colours, Keep keep,
                               std::unique_ptr<replication::Application> application) {
  const auto stays = [&](UpdateId id) {
    const Colour colour = colours.of(id);
    return keep == Keep::Everything || colour == Colour::NotAffected ||
           (keep == Keep::CleanAndSuspect && colour == Colour::Suspect);
  };
  if (const auto begin = colours.unknown_before(); begin && keep != Keep::Everything)
    return failure("unknown before update " + std::to_string(begin->value) +
                   ": a client is malicious since before the graph begins, and what it wrote then is in the state "
                   "that every clean state would be made from");
  const UpdateId first = keep == Keep::Everything ? store.graph().end() : colours.next_touched(store.graph().base());
  // Whose signature it is, is the caller's to check; a state of less, or of other updates, than were signed is
  // nobody's.
  const auto doubt = store.head() ? store.doubt([](const Principal&, Span, Span) { return true; }) : store.damage();
  if (doubt) return failure(*doubt + "; no state can be made of this graph: take another server's");
  const bool signed_states = store.head() && !store.head()->payloads.is_zero();
  Regenerated result;
  result.from = store.graph().base();
  bool begun = store.graph().base().value == 1;  // from nothing
  for (const UpdateId last : store.snapshots() | std::views::reverse) {
    if (last >= first || last >= store.graph().end())
      continue;  // the state then is tainted, or beyond what is usable
    if (signed_states && last.value >= store.head()->next)
      continue;  // the head was signed before: an older one will do
    if (const auto wrong = take(store, last, signed_states, *application)) {
      result.passed_over.push_back(*wrong);
      continue;
    }
    result.from = last.next();
    begun = true;
    break;
  }
  if (begun) {
    const bool all = store.each_payload(result.from, [&](const Payload& payload) {
      if (stays(payload.id)) {
        (void)application->apply(payload.client, payload.operation);
        application->settle();
        ++result.executed;
        return;
      }
      ++result.left_out;
      if (result.first_left_out.size() < Regenerated::kShown) result.first_left_out.push_back(payload.id);
    });
    if (!all) return failure(store.folder() + ": operations are missing; a state cannot be made without them");
    result.application = std::move(application);
    return result;
  }
  std::string text = store.folder() + ": there is no clean snapshot to begin from";
  for (const std::string& wrong : result.passed_over) text += "\n  " + wrong;
  return failure(text);
}

std::vector<Difference> differences(const replication::Application& before, const replication::Application& after,
                                    std::size_t most) {
  std::vector<Difference> found;
  Walk a(before), b(after);
  while (found.size() < most && (a.at() != nullptr || b.at() != nullptr)) {
    const bool has_a = a.at() != nullptr && (b.at() == nullptr || a.at()->key <= b.at()->key);
    const bool has_b = b.at() != nullptr && (a.at() == nullptr || b.at()->key <= a.at()->key);
    if (!has_a || !has_b || a.at()->value != b.at()->value) {
      Difference difference;
      difference.part = has_a ? a.at()->name : b.at()->name;
      difference.key = has_a ? a.at()->key : b.at()->key;
      if (has_a) difference.before = {a.at()->value, a.at()->text};
      if (has_b) difference.after = {b.at()->value, b.at()->text};
      found.push_back(std::move(difference));
    }
    if (has_a) a.step();
    if (has_b) b.step();
  }
  return found;
}

}  // namespace seneschal::accountability
