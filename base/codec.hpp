// The canonical codec. A message lists its fields once (`auto fields() { return std::tie(...); }`) and gets
// encoding, bounded decoding, printing, golden vectors and fuzzing from that list.
//
// Rules: fixed-width big-endian numbers; enums range-checked against their `kLast`; every list has a maximum and
// a u32 count; sorted lists are strictly ascending; optionals are a 0/1 byte; variants an index byte; no unknown
// fields; no trailing bytes. Hence decode(encode(m)) == m and encode(decode(b)) == b.
#pragma once
#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"

#include <concepts>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace seneschal {

/// A byte string of at most `Max` bytes.
template <std::size_t Max>
struct BoundedBytes {
  static constexpr std::size_t kMax = Max;
  Bytes value;
  auto operator<=>(const BoundedBytes&) const = default;
};

/// A list of at most `Max` items, in the sender's order.
template <class T, std::size_t Max>
struct List {
  static constexpr std::size_t kMax = Max;
  std::vector<T> items;
  bool operator==(const List&) const = default;
  auto begin() const { return items.begin(); }
  auto end() const { return items.end(); }
  std::size_t size() const { return items.size(); }
  bool empty() const { return items.empty(); }
};

/// A list of at most `Max` items in strictly ascending order: a set, or a map of pairs compared by key first.
template <class T, std::size_t Max>
struct SortedList {
  static constexpr std::size_t kMax = Max;
  std::vector<T> items;
  bool operator==(const SortedList&) const = default;
  auto begin() const { return items.begin(); }
  auto end() const { return items.end(); }
  std::size_t size() const { return items.size(); }
  bool empty() const { return items.empty(); }
};

class Writer {
 public:
  explicit Writer(Bytes& out) : out_(out) {}
  void number(std::uint64_t value, int width) {
    std::array<Byte, 8> digits;
    for (std::size_t i = 0; i < 8; ++i) digits[i] = static_cast<Byte>(value >> (56 - 8 * i));
    out_.insert(out_.end(), digits.end() - width, digits.end());
  }
  void raw(Span bytes) { append(out_, bytes); }

 private:
  Bytes& out_;
};

/// Bounded reader. After the first failure every further read fails; `reason()` tells why.
class Reader {
 public:
  /// `nested`, if given, collects the span of every signed message embedded in what is read, outermost first.
  explicit Reader(Span in, std::vector<Span>* nested = nullptr) : in_(in), nested_(nested) {}

  bool number(std::uint64_t& value, int width) {
    if (failed_ || remaining() < static_cast<std::size_t>(width)) return fail(Reject::TooShort);
    value = 0;
    for (int i = 0; i < width; ++i) value = value << 8 | in_[at_++];
    return true;
  }
  bool raw(Span& out, std::size_t size) {
    if (failed_ || remaining() < size) return fail(Reject::TooShort);
    out = in_.subspan(at_, size);
    at_ += size;
    return true;
  }
  /// A count or length: at most `max`, and at most what the remaining bytes could hold at `unit` bytes each, so
  /// that nothing is allocated on a stranger's word.
  bool count(std::size_t& value, std::size_t max, std::size_t unit) {
    std::uint64_t n = 0;
    if (!number(n, 4)) return false;
    if (n > max) return fail(Reject::TooLong);
    if (n * unit > remaining()) return fail(Reject::TooShort);
    value = static_cast<std::size_t>(n);
    return true;
  }
  bool fail(Reject reason) {
    if (!failed_) reason_ = reason;
    failed_ = true;
    return false;
  }
  std::size_t remaining() const { return in_.size() - at_; }
  Reject reason() const { return reason_; }
  std::vector<Span>* nested() const { return nested_; }
  /// Changes where embedded messages are reported (null: nowhere); returns the old place.
  std::vector<Span>* exchange_nested(std::vector<Span>* nested) { return std::exchange(nested_, nested); }

 private:
  Span in_;
  std::vector<Span>* nested_;
  std::size_t at_ = 0;
  bool failed_ = false;
  Reject reason_ = Reject::Malformed;
};

/// How one type travels. Specialise for types that are not made of fields.
template <class T>
struct Codec;

template <class T>
concept HasFields = requires(T t) { t.fields(); };

template <class T>
void encode_to(Writer& out, const T& value) {
  Codec<T>::encode(out, value);
}
template <class T>
bool decode_from(Reader& in, T& value) {
  return Codec<T>::decode(in, value);
}

/// Canonical bytes of `value`.
template <class T>
Bytes encode(const T& value) {
  Bytes out;
  out.reserve(128);  // most messages fit: one allocation instead of seven
  Writer writer(out);
  encode_to(writer, value);
  return out;
}

/// Decodes exactly `in`; trailing bytes are refused.
template <class T>
std::expected<T, Reject> decode(Span in, std::vector<Span>* nested = nullptr) {
  Reader reader(in, nested);
  T value{};
  if (!decode_from(reader, value)) return std::unexpected(reader.reason());
  if (reader.remaining() != 0) return std::unexpected(Reject::TrailingBytes);
  return value;
}

template <HasFields T>
struct Codec<T> {
  static void encode(Writer& out, const T& value) {
    // fields() is not const so that one list serves both directions; encoding does not write through it.
    std::apply([&](const auto&... field) { (encode_to(out, field), ...); }, const_cast<T&>(value).fields());
  }
  static bool decode(Reader& in, T& value) {
    return std::apply([&](auto&... field) { return (decode_from(in, field) && ...); }, value.fields());
  }
};

template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>)
struct Codec<T> {
  static void encode(Writer& out, T value) { out.number(value, sizeof(T)); }
  static bool decode(Reader& in, T& value) {
    std::uint64_t n = 0;
    if (!in.number(n, sizeof(T))) return false;
    value = static_cast<T>(n);
    return true;
  }
};

template <>
struct Codec<bool> {
  static void encode(Writer& out, bool value) { out.number(value ? 1 : 0, 1); }
  static bool decode(Reader& in, bool& value) {
    std::uint64_t n = 0;
    if (!in.number(n, 1)) return false;
    if (n > 1) return in.fail(Reject::NotCanonical);
    value = n == 1;
    return true;
  }
};

template <class T>
  requires std::is_enum_v<T>
struct Codec<T> {
  using Rep = std::underlying_type_t<T>;
  static void encode(Writer& out, T value) { out.number(static_cast<Rep>(value), sizeof(Rep)); }
  static bool decode(Reader& in, T& value) {
    std::uint64_t n = 0;
    if (!in.number(n, sizeof(Rep))) return false;
    if (n > static_cast<std::uint64_t>(T::kLast)) return in.fail(Reject::Malformed);
    value = static_cast<T>(n);
    return true;
  }
};

template <class Tag, class Rep>
struct Codec<Strong<Tag, Rep>> {
  static void encode(Writer& out, Strong<Tag, Rep> value) { out.number(value.value, sizeof(Rep)); }
  static bool decode(Reader& in, Strong<Tag, Rep>& value) { return decode_from(in, value.value); }
};

template <>
struct Codec<ServerId> {
  static void encode(Writer& out, const ServerId& id) {
    encode_to(out, id.site);
    encode_to(out, id.index);
  }
  static bool decode(Reader& in, ServerId& id) { return decode_from(in, id.site) && decode_from(in, id.index); }
};

template <>
struct Codec<EndpointId> {
  static void encode(Writer& out, const EndpointId& id) {
    encode_to(out, id.node);
    encode_to(out, id.port);
  }
  static bool decode(Reader& in, EndpointId& id) { return decode_from(in, id.node) && decode_from(in, id.port); }
};

template <std::size_t N>
struct Codec<std::array<Byte, N>> {
  static void encode(Writer& out, const std::array<Byte, N>& value) { out.raw(value); }
  static bool decode(Reader& in, std::array<Byte, N>& value) {
    Span bytes;
    if (!in.raw(bytes, N)) return false;
    std::copy(bytes.begin(), bytes.end(), value.begin());
    return true;
  }
};

template <>
struct Codec<Digest> {
  static void encode(Writer& out, const Digest& value) { out.raw(value.bytes); }
  static bool decode(Reader& in, Digest& value) { return decode_from(in, value.bytes); }
};

template <std::size_t Max>
struct Codec<BoundedBytes<Max>> {
  static void encode(Writer& out, const BoundedBytes<Max>& value) {
    out.number(value.value.size(), 4);
    out.raw(value.value);
  }
  static bool decode(Reader& in, BoundedBytes<Max>& value) {
    std::size_t size = 0;
    Span bytes;
    if (!in.count(size, Max, 1) || !in.raw(bytes, size)) return false;
    value.value.assign(bytes.begin(), bytes.end());
    return true;
  }
};

template <class T, std::size_t Max>
struct Codec<List<T, Max>> {
  static void encode(Writer& out, const List<T, Max>& value) {
    out.number(value.items.size(), 4);
    for (const T& item : value.items) encode_to(out, item);
  }
  static bool decode(Reader& in, List<T, Max>& value) {
    std::size_t count = 0;
    if (!in.count(count, Max, 1)) return false;
    value.items.clear();
    value.items.reserve(count);
    for (std::size_t i = 0; i < count; ++i)
      if (!decode_from(in, value.items.emplace_back())) return false;
    return true;
  }
};

template <class T, std::size_t Max>
struct Codec<SortedList<T, Max>> {
  static void encode(Writer& out, const SortedList<T, Max>& value) {
    out.number(value.items.size(), 4);
    for (const T& item : value.items) encode_to(out, item);
  }
  static bool decode(Reader& in, SortedList<T, Max>& value) {
    std::size_t count = 0;
    if (!in.count(count, Max, 1)) return false;
    value.items.clear();
    value.items.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      if (!decode_from(in, value.items.emplace_back())) return false;
      if (i > 0 && !(value.items[i - 1] < value.items[i])) return in.fail(Reject::NotCanonical);
    }
    return true;
  }
};

template <class T>
struct Codec<std::optional<T>> {
  static void encode(Writer& out, const std::optional<T>& value) {
    encode_to(out, value.has_value());
    if (value) encode_to(out, *value);
  }
  static bool decode(Reader& in, std::optional<T>& value) {
    bool present = false;
    if (!decode_from(in, present)) return false;
    if (!present) {
      value.reset();
      return true;
    }
    return decode_from(in, value.emplace());
  }
};

template <class... Ts>
struct Codec<std::variant<Ts...>> {
  using Variant = std::variant<Ts...>;
  static void encode(Writer& out, const Variant& value) {
    out.number(value.index(), 1);
    std::visit([&](const auto& alternative) { encode_to(out, alternative); }, value);
  }
  static bool decode(Reader& in, Variant& value) {
    std::uint64_t index = 0;
    if (!in.number(index, 1)) return false;
    if (index >= sizeof...(Ts)) return in.fail(Reject::Malformed);
    return pick(in, value, index, std::index_sequence_for<Ts...>{});
  }

 private:
  template <std::size_t... I>
  static bool pick(Reader& in, Variant& value, std::uint64_t index, std::index_sequence<I...>) {
    bool good = false;
    ((index == I ? void(good = decode_from(in, value.template emplace<I>())) : void()), ...);
    return good;
  }
};

/// Human-readable form of a message: for traces and golden files.
template <class T>
std::string print(const T& value) {
  if constexpr (requires { value.brief(); }) {
    return value.brief();
  } else if constexpr (requires { value.items; }) {
    std::string text = "[";
    for (const auto& item : value.items) text += (text.size() > 1 ? " " : "") + print(item);
    return text + "]";
  } else if constexpr (HasFields<T>) {
    std::string text;
    if constexpr (requires { T::kName; }) text += T::kName;
    text += "{";
    bool first = true;
    std::apply([&](const auto&... field) { ((text += (first ? "" : " ") + print(field), first = false), ...); },
               const_cast<T&>(value).fields());
    return text + "}";
  } else if constexpr (std::is_enum_v<T>) {
    return std::to_string(static_cast<unsigned>(value));
  } else if constexpr (std::is_integral_v<T>) {
    return std::to_string(value);
  } else if constexpr (requires {
                         typename T::rep;
                         value.value;
                       }) {
    return std::to_string(value.value);
  } else if constexpr (std::is_same_v<T, ServerId>) {
    return to_string(value);
  } else if constexpr (std::is_same_v<T, EndpointId>) {
    return std::to_string(value.node.value) + ":" + std::to_string(value.port.value);
  } else if constexpr (requires { value.has_value(); }) {
    return value ? print(*value) : "-";
  } else if constexpr (requires {
                         T::kMax;
                         value.value;
                       }) {
    return value.value.size() <= 16 ? to_hex(value.value) : to_hex(Span(value.value).first(8)) + "..";
  } else if constexpr (requires { value.index(); }) {
    return std::visit([](const auto& alternative) { return print(alternative); }, value);
  } else {
    return "?";
  }
}

}  // namespace seneschal
