#include "replication/describe.hpp"

#include "replication/kv.hpp"
#include "replication/sql/names.hpp"

#include <algorithm>

namespace seneschal::replication {
namespace {

std::string printable(Span bytes) {
  std::string text;
  for (const Byte b : bytes)
    text += b >= 0x20 && b != 0x7f ? std::string(1, static_cast<char>(b)) : "\\x" + to_hex(Span(&b, 1));
  return text;
}

}  // namespace

std::string print_operation(std::string_view application, Span operation) {
  constexpr std::size_t kMostHex = 64;
  if (application == "kv") return kv::print_operation(operation);
  if (application == "sql") return printable(operation);
  return to_hex(operation.first(std::min(operation.size(), kMostHex)));
}

std::string print_name(std::string_view application, Span name) {
  return application == "sql" ? sql::print_name(name) : printable(name);
}

}  // namespace seneschal::replication
