#include "replication/messages.hpp"

#include "crypto/digest.hpp"

namespace seneschal::replication {

Digest digest_of(const Batch& batch) {
  Bytes bytes = encode(batch);
  return crypto::sha256({as_span("seneschal/batch"), bytes});
}

std::size_t encoded_size(const Batch& batch) {
  std::size_t size = 4;
  for (const auto& update : batch.updates) size += 4 + update.sealed.size();
  return size;
}

}  // namespace seneschal::replication
