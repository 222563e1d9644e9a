#include "replication/application.hpp"

#include "crypto/merkle.hpp"

namespace seneschal::replication {
namespace {

constexpr std::size_t kPiece = 16 * 1024;

class FrozenBytes final : public Frozen {
 public:
  explicit FrozenBytes(Bytes state) : state_(std::move(state)) {}
  std::size_t chunks() const override { return (state_.size() + kPiece - 1) / kPiece; }
  SharedBytes chunk(std::size_t index) const override {
    Span span = piece(index);
    return share(Bytes(span.begin(), span.end()));
  }
  Digest leaf(std::size_t index) const override { return crypto::merkle_leaf(piece(index)); }
  std::size_t cost(std::size_t index) const override { return piece(index).size(); }

 private:
  Span piece(std::size_t index) const {
    std::size_t from = index * kPiece;
    return Span(state_).subspan(from, std::min(kPiece, state_.size() - from));
  }
  Bytes state_;
};

}  // namespace

std::shared_ptr<const Frozen> freeze_bytes(Bytes state) {
  return std::make_shared<FrozenBytes>(std::move(state));
}

std::shared_ptr<const Frozen> Application::freeze() const {
  return freeze_bytes(snapshot());
}

Status Application::thaw(std::span<const SharedBytes> chunks) {
  Bytes all;
  for (const SharedBytes& chunk : chunks) append(all, *chunk);
  return restore(all);
}

}  // namespace seneschal::replication
