#include "accountability/marking.hpp"

#include "base/check.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>

namespace seneschal::accountability {

std::string_view to_string(Colour colour) {
  switch (colour) {
    case Colour::NotAffected: return "NOT_AFFECTED";
    case Colour::Suspect: return "SUSPECT";
    case Colour::Corrupt: return "CORRUPT";
    case Colour::Unknown: return "UNKNOWN";
  }
  return "?";
}

std::string to_string(const Moment& moment) {
  switch (moment.kind) {
    case Moment::Kind::Update: return "update " + std::to_string(moment.value);
    case Moment::Kind::Seq: return "seq " + std::to_string(moment.value);
    case Moment::Kind::Time: break;
  }
  const auto seconds = static_cast<std::time_t>(moment.value / 1000);
  std::tm when{};
  std::array<char, 32> text{};
  if (::gmtime_r(&seconds, &when) == nullptr ||
      std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &when) == 0)
    return "time " + std::to_string(moment.value);
  return "time " + std::string(text.data());
}

std::optional<UpdateId> unknown_before(const Graph& graph, const Findings& findings) {
  const bool early = std::ranges::any_of(findings.marks, [&](const Mark& m) { return m.from < graph.base(); });
  return early ? std::optional(graph.base()) : std::nullopt;
}

std::optional<UpdateId> Findings::malicious_from(ClientId client) const {
  const auto first = marks.lower_bound(Mark{client, UpdateId(0), {}});  // sorted by client, then position
  if (first == marks.end() || first->client != client) return std::nullopt;
  return first->from;
}

std::optional<UpdateId> Findings::first() const {
  std::optional<UpdateId> earliest;
  for (const Mark& mark : marks)
    if (!earliest || mark.from < *earliest) earliest = mark.from;
  return earliest;
}

void Colours::Free::operator()(Byte* bytes) const {
  std::free(bytes);
}

Colours::Colours(UpdateId origin, UpdateId end)
    // calloc: pages that the pass never writes cost nothing
    : origin_(origin), end_(end), bytes_(static_cast<Byte*>(std::calloc(kBefore + (end.value - origin.value), 1))) {
  CHECK(bytes_ != nullptr);
}

UpdateId Colours::next_touched(UpdateId from) const {
  std::uint64_t i = from < origin_ ? 0 : from.value - origin_.value;
  const std::uint64_t n = end_.value - origin_.value;
  for (; i + 8 <= n; i += 8) {
    if (load(row() + i, 8) != 0) break;
  }
  while (i < n && row()[i] == 0) ++i;
  return UpdateId(origin_.value + std::min(i, n));
}

/// The pass. Blocks without anything bad in reach, and blocks with nothing but bad in reach, need no look at their
/// names. Everything that is not plain happens at a *stop*: a client turns malicious, an update was cleared, a
/// formula has an OR. Between two stops all updates of a block have plain conjunctions and clients do not change,
/// which is a loop without branches: a table look-up for the client, and an OR over the colours of what is named.
class Marker {
 public:
  Marker(const Graph& graph, const Findings& findings)
      : graph_(graph), findings_(findings), colours_(graph.origin(), graph.end()) {
    std::uint32_t widest = 0;
    for (const Mark& mark : findings.marks) widest = std::max(widest, mark.client.value);
    // One- and two-byte client columns index without a check.
    colours_.set_unknown_before(unknown_before(graph, findings));
    malicious_.resize(std::max<std::size_t>(65536, std::min(widest, kMaxClient - 1) + std::size_t{1}));
  }

  Colours run() {
    const auto first = findings_.first();
    if (!first || graph_.blocks().empty() || *first >= graph_.end()) return std::move(colours_);
    for (const Mark& mark : findings_.marks)
      if (mark.client.value < kMaxClient) stops_.push_back({std::max(mark.from, graph_.base()), mark.client});
    for (const UpdateId id : findings_.cleared)
      if (graph_.has(id)) stops_.push_back({id, std::nullopt});
    std::ranges::sort(stops_, {}, &Stop::at);
    const UpdateId from = std::max(*first, graph_.base());
    for (std::size_t i = graph_.block_index(from); i < graph_.blocks().size(); ++i) mark_block(graph_.blocks()[i]);
    return std::move(colours_);
  }

 private:
  struct Stop {
    UpdateId at;
    std::optional<ClientId> malicious;  // nothing: cleared
  };
  void mark_block(const Block& block) {
    const std::size_t stops_before = next_stop_;
    const bool near = block.first().value <= last_touched_ + block.header().farthest;
    if (!near && !any_corrupt(block)) {  // nothing bad within reach, nobody malicious in it
      bad_run_ = 0;
      return;
    }
    next_stop_ = stops_before;
    name_ = 0;
    any_bad_ = colours_.corrupt_ + colours_.suspect_ > 0;
    looked_at_ = 0;
    certain_ = bad_run_ >= block.header().farthest && block.header().degree > 0 && block.header().shape_bytes == 0 &&
               !clears_in(block);
    std::uint32_t at = 0;
    ShapeCursor shapes = block.shapes();
    auto shape = shapes.next();
    while (at < block.count()) {
      std::uint32_t until = block.count();
      if (shape) until = std::min(until, shape->offset);
      bool clear = false;
      while (next_stop_ < stops_.size() && stops_[next_stop_].at <= block.first() + at) {
        const Stop& stop = stops_[next_stop_++];
        if (stop.malicious)
          malicious_[stop.malicious->value] = Colours::kCorrupt;
        else
          clear = true;
      }
      if (next_stop_ < stops_.size() && stops_[next_stop_].at < block.end())
        until = std::min(until, static_cast<std::uint32_t>(stops_[next_stop_].at.value - block.first().value));
      if (shape && shape->offset == at) {
        mark_shaped(block, at, shape->symbols);
        shape = shapes.next();
        until = at + 1;
      } else {
        if (clear) until = at + 1;
        mark_run(block, at, until);
      }
      Byte& colour = colours_.row()[block.first().value - colours_.origin_.value + at];
      if (clear && colour == Colours::kSuspect) colour = 0;
      at = until;
    }
    count(block);
  }

  /// Whether a client of the block is malicious in it. Takes the stops inside.
  bool any_corrupt(const Block& block) {
    bool turns = false;
    for (; next_stop_ < stops_.size() && stops_[next_stop_].at < block.end(); ++next_stop_) turns = true;
    if (turns) return true;
    Byte any = 0;
    for (std::uint32_t i = 0; i < block.count(); ++i) any |= flag(block.client(i).value);
    return any != 0;
  }

  bool clears_in(const Block& block) const {
    for (std::size_t i = next_stop_; i < stops_.size() && stops_[i].at < block.end(); ++i)
      if (!stops_[i].malicious) return true;
    return false;
  }

  Byte flag(std::size_t client) const { return client < malicious_.size() ? malicious_[client] : Byte{0}; }

  /// Corrupt or not, for updates [begin, end): what they depend on is added to it.
  template <class Client>
  void set_corrupt(const Block& block, std::uint32_t begin, std::uint32_t end) {
    // Locals, because a store through a Byte* may change any member.
    Byte* const row = colours_.row() + (block.first().value - colours_.origin_.value);
    const Byte* const malicious = malicious_.data();
    const std::size_t table = malicious_.size();
    const Byte* const clients = block.clients();
    const Byte extra = certain_ ? Colours::kSuspect : Byte{0};
    for (std::uint32_t i = begin; i < end; ++i) {
      Client client;
      std::memcpy(&client, clients + i * sizeof(Client), sizeof(Client));
      row[i] = static_cast<Byte>((sizeof(Client) < 4 || client < table ? malicious[client] : 0) | extra);
    }
  }

  /// Adds the colour of what updates [begin, end) name: `Degree` each (or `degree`, if Degree is 0). Distances of one
  /// and two bytes cannot leave the row: it has `kBefore` bytes in front. `Dense` stops at the first bad name: fast
  /// where nearly everything is bad, because then the branch is predicted; elsewhere no branch is better.
  template <class Name, unsigned Degree, bool Dense>
  void conjunctions(const Block& block, std::uint32_t begin, std::uint32_t end) {
    const std::size_t degree = Degree != 0 ? Degree : block.header().degree;
    Byte* const row = colours_.row();
    const Byte* names = block.names() + begin * degree * sizeof(Name);
    const std::uint64_t before = block.first().value - colours_.origin_.value;
    for (std::uint64_t position = before + begin; position < before + end; ++position) {
      Byte reached = 0;
      for (std::size_t k = 0; k < (Degree != 0 ? Degree : degree); ++k) {
        Name name;
        std::memcpy(&name, names + k * sizeof(Name), sizeof(Name));
        if constexpr (sizeof(Name) < 4) {
          const Byte* const origin = row + position - kTop<Name>;
          reached |= origin[name];
        } else {
          reached |= row[name <= position ? position - name : position];
        }
        if (Dense && reached != 0) break;
      }
      names += degree * sizeof(Name);
      row[position] = static_cast<Byte>(row[position] | (reached != 0 ? Colours::kSuspect : 0));
    }
  }

  template <class Name>
  void conjunctions(const Block& block, std::uint32_t begin, std::uint32_t end) {
    if (dense_) return conjunctions<Name, 0, true>(block, begin, end);
    switch (block.header().degree) {
      case 1: return conjunctions<Name, 1, false>(block, begin, end);
      case 2: return conjunctions<Name, 2, false>(block, begin, end);
      case 3: return conjunctions<Name, 3, false>(block, begin, end);
      case 4: return conjunctions<Name, 4, false>(block, begin, end);
      case 5: return conjunctions<Name, 5, false>(block, begin, end);
      default: return conjunctions<Name, 0, false>(block, begin, end);
    }
  }

  void mark_run(const Block& block, std::uint32_t begin, std::uint32_t end) {
    switch (block.header().client_width) {
      case 1: set_corrupt<std::uint8_t>(block, begin, end); break;
      case 2: set_corrupt<std::uint16_t>(block, begin, end); break;
      default: set_corrupt<std::uint32_t>(block, begin, end);
    }
    if (certain_) return;
    if (block.header().degree_width != 0) return mark_uneven(block, begin, end);
    switch (block.header().name_width) {
      case 1: return conjunctions<std::uint8_t>(block, begin, end);
      case 2: return conjunctions<std::uint16_t>(block, begin, end);
      default: return conjunctions<std::uint32_t>(block, begin, end);
    }
  }

  Byte colour_back(std::uint64_t position, std::uint32_t distance) const {
    return distance <= position ? colours_.row()[position - distance] : Byte{0};
  }

  /// Updates with different numbers of names.
  void mark_uneven(const Block& block, std::uint32_t begin, std::uint32_t end) {
    for (std::uint32_t i = begin; i < end; ++i) {
      const std::uint64_t position = block.first().value - colours_.origin_.value + i;
      Byte reached = 0;
      const std::size_t stop = name_ + block.degree(i);
      for (; name_ < stop && name_ < block.header().names; ++name_)
        reached |= colour_back(position, block.distance(name_));
      name_ = stop;
      if (reached != 0) colours_.row()[position] |= Colours::kSuspect;
    }
  }

  /// An update whose formula has an OR.
  void mark_shaped(const Block& block, std::uint32_t offset, Span symbols) {
    const std::uint64_t position = block.first().value - colours_.origin_.value + offset;
    if (block.header().degree_width == 0) name_ = std::size_t{offset} * block.header().degree;
    const std::size_t degree = block.degree(offset);
    std::size_t used = 0;
    stack_.clear();
    for (std::size_t i = 0; i + 2 <= symbols.size(); i += 2) {
      const std::uint64_t symbol = load(symbols.data() + i, 2);
      if (symbol == kNameSymbol) {
        if (used == degree) break;
        stack_.push_back(colour_back(position, block.distance(name_ + used++)) != 0);
        continue;
      }
      if (symbol == kEverythingSymbol) {
        stack_.push_back(any_before(block, offset));
        continue;
      }
      const std::size_t operands = symbol / 2;
      if (operands == 0 || operands > stack_.size()) break;  // makes no sense: a file from elsewhere
      const auto first = stack_.end() - static_cast<std::ptrdiff_t>(operands);
      const auto bad = static_cast<std::size_t>(std::count(first, stack_.end(), 1));
      stack_.erase(first, stack_.end());
      stack_.push_back(symbol % 2 == 0 ? bad > 0 : bad == operands);
    }
    name_ += degree;
    const bool fails = stack_.size() == 1 && stack_.back() != 0;
    colours_.row()[position] = static_cast<Byte>((fails ? 1 : 0) | flag(block.client(offset).value));
  }

  /// Whether anything before this update is bad. What is before the block was counted; in the block each byte is
  /// looked at once.
  bool any_before(const Block& block, std::uint32_t offset) {
    const Byte* row = colours_.row() + (block.first().value - colours_.origin_.value);
    while (!any_bad_ && looked_at_ < offset) any_bad_ = row[looked_at_++] != 0;
    return any_bad_;
  }

  void count(const Block& block) {
    const Byte* row = colours_.row() + (block.first().value - colours_.origin_.value);
    constexpr std::uint64_t kOnes = 0x0101010101010101;
    std::uint64_t corrupt = 0, suspect = 0;
    std::uint32_t i = 0;
    for (; i + 8 <= block.count(); i += 8) {
      const std::uint64_t eight = load(row + i, 8);
      const std::uint64_t bad = eight >> 1 & kOnes;
      corrupt += bad * kOnes >> 56;
      suspect += (eight & ~bad & kOnes) * kOnes >> 56;
    }
    for (; i < block.count(); ++i) {
      corrupt += row[i] >> 1;
      suspect += row[i] == Colours::kSuspect ? 1 : 0;
    }
    colours_.corrupt_ += corrupt;
    colours_.suspect_ += suspect;
    if (corrupt + suspect > 0) last_touched_ = block.end().value - 1;
    if (corrupt + suspect == block.count()) {
      bad_run_ += block.count();
    } else {
      bad_run_ = 0;
      while (row[block.count() - 1 - bad_run_] != 0) ++bad_run_;
    }
    dense_ = corrupt + suspect > block.count() - block.count() / 16;
  }

  const Graph& graph_;
  const Findings& findings_;
  Colours colours_;
  std::vector<Byte> malicious_;  // by client: kCorrupt once it is
  std::vector<Stop> stops_;
  std::size_t next_stop_ = 0;
  std::size_t name_ = 0;            // in blocks with uneven degrees or shapes: the next name
  std::uint64_t last_touched_ = 0;  // none yet, or an upper bound
  bool dense_ = false;              // nearly all updates of the block before are bad
  std::uint64_t bad_run_ = 0;       // how many updates before this block are bad, without a gap
  bool certain_ = false;            // in this block a plain conjunction must fail
  bool any_bad_ = false;            // something is that lies before the block, or before `looked_at_` in it
  std::uint32_t looked_at_ = 0;
  std::vector<Byte> stack_;
};

Colours mark(const Graph& graph, const Findings& findings) {
  return Marker(graph, findings).run();
}

}  // namespace seneschal::accountability
