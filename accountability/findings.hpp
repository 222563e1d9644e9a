// What operators found, on disk, beside the graphs of a deployment: who said what, when and why. [Graph 4]
//
//   findings.txt    one signed line per thing said, in order; what is taken back is said as well
//   findings.head   how many lines there are and the digest of the last, signed by who wrote it
//
// Each line's signature covers the digest of the line before it. So a line that is changed, moved or removed is
// noticed; that the last ones are gone, or all, the head tells.
#pragma once
#include "accountability/marking.hpp"
#include "base/result.hpp"
#include "crypto/signature.hpp"

namespace seneschal::accountability {

struct Finding {
  enum class Kind : std::uint8_t { Mark, Unmark, Clear, Unclear };
  Kind kind = Kind::Mark;
  Mark mark;        // of Mark and Unmark
  UpdateId update;  // of Clear and Unclear
  std::string author, time, reason;
  std::string key;  // fingerprint of the key that signed it, as `openssl pkey -pubin -outform DER | sha256sum` tells
};
std::string to_string(const Finding& finding);

struct FindingsLog {
  Findings findings;             // what follows from all that was said
  std::vector<Finding> entries;  // in order
  Digest last;                   // of the last line
};
/// Nothing was said if there are no files. An error names the line, and what to do.
Result<FindingsLog> load_findings(const std::string& folder);
/// Says something more. Its `key` is told by `signer`, which must be Ed25519. Callers hold the lock of the folder.
Status add_finding(const std::string& folder, FindingsLog& log, Finding finding, const crypto::PrivateKey& signer);
/// Who said last that this is so, or nothing if nobody did.
const Finding* finding_of(const FindingsLog& log, const Mark& mark);
const Finding* finding_of(const FindingsLog& log, UpdateId cleared);

/// SHA-256 of an Ed25519 key as SubjectPublicKeyInfo in DER, in hex.
std::string fingerprint(const crypto::PublicKey& key);

}  // namespace seneschal::accountability
