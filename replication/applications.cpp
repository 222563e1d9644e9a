#include "replication/applications.hpp"

#include "base/check.hpp"
#include "base/codec.hpp"
#include "replication/kv.hpp"
#include "replication/sql/sql.hpp"

namespace seneschal::replication {

void NullApplication::undo() {
  CHECK(applied_ > settled_);
  --applied_;
}

Digest NullApplication::digest() const {
  Digest digest;
  for (std::size_t i = 0; i < 8; ++i) digest.bytes[i] = static_cast<Byte>(applied_ >> (56 - 8 * i));
  return digest;
}

Bytes NullApplication::snapshot() const {
  return encode(applied_);
}

Status NullApplication::restore(Span snapshot) {
  auto applied = decode<std::uint64_t>(snapshot);
  if (!applied) return failure("null snapshot: expected 8 bytes, got " + std::to_string(snapshot.size()));
  applied_ = settled_ = *applied;
  return {};
}

Result<std::unique_ptr<Application>> make_application(std::string_view name) {
  if (name == "kv") return std::make_unique<kv::KvApplication>();
  if (name == "sql") return std::make_unique<sql::SqlApplication>();
  if (name == "null") return std::make_unique<NullApplication>();
  return failure("unknown application \"" + std::string(name) + "\": use \"kv\", \"sql\" or \"null\"");
}

}  // namespace seneschal::replication
