// Applications by name, as configuration files name them.
#pragma once
#include "replication/application.hpp"

#include <string_view>

namespace seneschal::replication {

/// Does nothing: every operation gives an empty result; the state is the number of operations. For measurements of
/// the protocol alone.
class NullApplication final : public Application {
 public:
  Bytes apply(ClientId, Span) override {
    ++applied_;
    return {};
  }
  void undo() override;
  void settle() override { settled_ = applied_; }
  Bytes query(Span) const override { return {}; }
  Digest digest() const override;
  Bytes snapshot() const override;
  Status restore(Span snapshot) override;

 private:
  std::uint64_t applied_ = 0;
  std::uint64_t settled_ = 0;
};

/// "kv", "sql" or "null"; an error that lists the names for any other.
Result<std::unique_ptr<Application>> make_application(std::string_view name);

}  // namespace seneschal::replication
