#include "accountability/formula.hpp"

#include "base/check.hpp"

#include <algorithm>
#include <charconv>

namespace seneschal::accountability {
namespace {

using Kind = Token::Kind;

constexpr std::string_view kEverything = "everything";

Formula join(std::span<const UpdateId> updates, Kind kind) {
  std::vector<Token> tokens;
  for (const UpdateId id : updates) tokens.push_back({Kind::Leaf, id.value});
  if (updates.size() > 1) tokens.push_back({kind, updates.size()});
  auto formula = Formula::from_tokens(std::move(tokens));
  CHECK(formula.has_value());  // callers keep to the bounds
  return std::move(*formula);
}

/// Infix to postfix with two stacks.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::expected<std::vector<Token>, Refusal> run() {
    bool operand_next = true;
    for (skip(); at_ < text_.size(); skip()) {
      if (out_.size() > kMaxTokens || stack_.size() > kMaxTokens) return std::unexpected(Refusal::TooLarge);
      const char c = text_[at_];
      if (operand_next && c == '(') {
        stack_.push_back(Open);
        ++at_;
      } else if (!operand_next && c == ')') {
        ++at_;
        if (!close()) return std::unexpected(Refusal::Malformed);
      } else if (operand_next) {
        if (!everything() && !number()) return std::unexpected(Refusal::Malformed);
        operand_next = false;
      } else {
        if (!operation()) return std::unexpected(Refusal::Malformed);
        operand_next = true;
      }
    }
    if (operand_next && !(out_.empty() && stack_.empty())) return std::unexpected(Refusal::Malformed);
    while (!stack_.empty()) {
      if (stack_.back() == Open) return std::unexpected(Refusal::Malformed);
      reduce();
    }
    return std::move(out_);
  }

 private:
  enum Symbol : std::uint8_t { Open, Or, And };  // by how tight they bind

  void skip() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool everything() {
    if (!text_.substr(at_).starts_with(kEverything)) return false;
    at_ += kEverything.size();
    out_.push_back({Kind::Everything, 0});
    return true;
  }
  bool number() {
    std::uint64_t id = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), id);
    if (error != std::errc{}) return false;
    at_ = static_cast<std::size_t>(end - text_.data());
    out_.push_back({Kind::Leaf, id});
    return true;
  }
  bool operation() {
    const std::string_view rest = text_.substr(at_);
    const Symbol symbol = rest.starts_with("and") ? And : Or;
    if (symbol == Or && !rest.starts_with("or")) return false;
    at_ += symbol == And ? 3 : 2;
    while (!stack_.empty() && stack_.back() >= symbol) reduce();
    stack_.push_back(symbol);
    return true;
  }
  bool close() {
    while (!stack_.empty() && stack_.back() != Open) reduce();
    if (stack_.empty()) return false;
    stack_.pop_back();
    return true;
  }
  void reduce() {
    out_.push_back({stack_.back() == And ? Kind::And : Kind::Or, 2});
    stack_.pop_back();
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Token> out_;
  std::vector<Symbol> stack_;
};

}  // namespace

std::optional<Refusal> problem_with(UpdateId name, UpdateId id) {
  if (name.value == 0) return Refusal::NoSuchUpdate;
  if (name == id) return Refusal::RefersToItself;
  if (name > id) return Refusal::RefersToFuture;
  return std::nullopt;
}

std::string_view to_string(Refusal refusal) {
  switch (refusal) {
    case Refusal::Malformed: return "malformed formula";
    case Refusal::TooLarge: return "formula too large";
    case Refusal::NoSuchUpdate: return "names update 0, which does not exist";
    case Refusal::RefersToItself: return "names itself";
    case Refusal::RefersToFuture: return "names an update that does not exist yet";
    case Refusal::TooFarBack: return "names an update too far back";
    case Refusal::DigestMismatch: return "the digest is not that of the update named";
    case Refusal::DigestMissing: return "a digest is missing";
    case Refusal::TooMuchToCheck: return "the updates it gives digests of are too large together";
    case Refusal::UnknownClient: return "client number above the bound";
    case Refusal::OutOfOrder: return "position in the order below the update before";
  }
  return "?";
}

Formula Formula::all(std::span<const UpdateId> updates) {
  return join(updates, Kind::And);
}
Formula Formula::any(std::span<const UpdateId> updates) {
  return join(updates, Kind::Or);
}

Formula Formula::everything() {
  Formula formula;
  formula.tokens_ = {{Kind::Everything, 0}};
  return formula;
}

std::expected<Formula, Refusal> Formula::from_tokens(std::vector<Token> tokens) {
  if (tokens.size() > kMaxTokens) return std::unexpected(Refusal::TooLarge);
  std::size_t depth = 0, leaves = 0;
  for (const Token& token : tokens) {
    if (token.kind == Kind::Leaf) {
      ++depth;
      ++leaves;
    } else if (token.kind == Kind::Everything) {
      if (token.value != 0) return std::unexpected(Refusal::Malformed);
      ++depth;
    } else {
      if (token.value < 2 || token.value > depth) return std::unexpected(Refusal::Malformed);
      depth -= static_cast<std::size_t>(token.value) - 1;
    }
  }
  if (leaves > kMaxLeaves) return std::unexpected(Refusal::TooLarge);
  if (depth != (tokens.empty() ? 0u : 1u)) return std::unexpected(Refusal::Malformed);
  Formula formula;
  formula.tokens_ = std::move(tokens);
  return formula;
}

std::expected<Formula, Refusal> Formula::parse(std::string_view text) {
  auto tokens = Parser(text).run();
  if (!tokens) return std::unexpected(tokens.error());
  auto formula = from_tokens(std::move(*tokens));
  if (formula) return formula->simplified(UpdateId(0));
  return formula;
}

std::vector<UpdateId> Formula::leaves() const {
  std::vector<UpdateId> ids;
  for (const Token& token : tokens_)
    if (token.kind == Kind::Leaf) ids.emplace_back(token.value);
  return ids;
}

bool Formula::conjunctive() const {
  return std::ranges::all_of(tokens_,
                             [](const Token& token) { return token.kind == Kind::Leaf || token.kind == Kind::And; });
}

bool Formula::fails(const std::function<bool(UpdateId)>& touched, bool any_before) const {
  if (tokens_.empty()) return false;
  std::vector<bool> stack;
  for (const Token& token : tokens_) {
    if (token.kind == Kind::Leaf || token.kind == Kind::Everything) {
      stack.push_back(token.kind == Kind::Leaf ? touched(UpdateId(token.value)) : any_before);
      continue;
    }
    const auto first = stack.end() - static_cast<std::ptrdiff_t>(token.value);
    const auto bad = static_cast<std::uint64_t>(std::count(first, stack.end(), true));
    stack.erase(first, stack.end());
    stack.push_back(token.kind == Kind::And ? bad > 0 : bad == token.value);
  }
  return stack.back();
}

Formula Formula::simplified(UpdateId base) const {
  // An operand is its tokens; nothing stands for "certainly good".
  using Operand = std::optional<std::vector<Token>>;
  std::vector<Operand> stack;
  const auto all_before = [](const Operand& operand) { return operand && operand->back().kind == Kind::Everything; };
  for (const Token& token : tokens_) {
    if (token.kind == Kind::Leaf || token.kind == Kind::Everything) {
      stack.push_back(token.kind == Kind::Leaf && token.value < base.value ? Operand{} : Operand{{token}});
      continue;
    }
    const auto first = stack.end() - static_cast<std::ptrdiff_t>(token.value);
    // What is joined to "everything" is part of it: an AND is the same without it, an OR fails with the rest alone.
    const auto some = std::find_if(first, stack.end(), all_before);
    if (some != stack.end() && (token.kind == Kind::And || std::all_of(first, stack.end(), all_before))) {
      Operand everything = std::move(*some);
      stack.erase(first, stack.end());
      stack.push_back(std::move(everything));
      continue;
    }
    std::vector<Token> joined;
    std::uint64_t operands = 0, good = 0;
    for (auto it = first; it != stack.end(); ++it) {
      if (!*it) {
        ++good;
        continue;
      }
      if (all_before(*it)) continue;  // of an OR with others
      std::vector<Token>& part = **it;
      if (part.back().kind == token.kind) {  // the same operation inside: one level less
        operands += part.back().value;
        part.pop_back();
      } else {
        ++operands;
      }
      joined.insert(joined.end(), part.begin(), part.end());
    }
    stack.erase(first, stack.end());
    const bool holds = token.kind == Kind::Or ? good > 0 : operands == 0;
    if (!holds && operands > 1) joined.push_back({token.kind, operands});
    stack.push_back(holds ? Operand{} : Operand{std::move(joined)});
  }
  Formula result;
  if (!stack.empty() && stack.back()) result.tokens_ = std::move(*stack.back());
  return result;
}

std::string Formula::text() const {
  struct Part {
    std::string text;
    Kind kind;
  };
  std::vector<Part> stack;
  for (const Token& token : tokens_) {
    if (token.kind == Kind::Leaf || token.kind == Kind::Everything) {
      stack.push_back(
          {token.kind == Kind::Leaf ? std::to_string(token.value) : std::string(kEverything), Kind::Leaf});
      continue;
    }
    const auto first = stack.end() - static_cast<std::ptrdiff_t>(token.value);
    std::string text;
    for (auto it = first; it != stack.end(); ++it) {
      const bool wrap = it->kind != Kind::Leaf && it->kind != token.kind;
      if (!text.empty()) text += token.kind == Kind::And ? " and " : " or ";
      text += wrap ? "(" + it->text + ")" : it->text;
    }
    stack.erase(first, stack.end());
    stack.push_back({std::move(text), token.kind});
  }
  return stack.empty() ? "" : stack.back().text;
}

}  // namespace seneschal::accountability
