// Bytes that must not be printed, copied by accident or left in memory.
#pragma once
#include "base/bytes.hpp"

namespace seneschal::crypto {

/// Owns secret bytes; wipes them when it goes. Move-only and deliberately not printable.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(Bytes bytes) : bytes_(std::move(bytes)) {}
  explicit SecretBytes(std::size_t size) : bytes_(size) {}
  SecretBytes(SecretBytes&& other) noexcept : bytes_(std::move(other.bytes_)) { other.bytes_.clear(); }
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    if (this != &other) {
      wipe();
      bytes_ = std::move(other.bytes_);
      other.bytes_.clear();
    }
    return *this;
  }
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes() { wipe(); }

  /// Valid as long as this object.
  Span expose() const { return bytes_; }
  std::span<Byte> expose() { return bytes_; }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

 private:
  void wipe();
  Bytes bytes_;
};

}  // namespace seneschal::crypto
