// A file mapped for reading, that may shrink while it is read without ending the program.
//
// Touching a page past the end of a mapped file raises SIGBUS. The first `MappedFile` installs a handler that puts a
// page of zeros there when the address lies in one of ours (others get what they had before), and remembers it:
// whoever read asks `shrank()` afterwards. Readers here survive any bytes, so zeros do no harm.
#pragma once
#include "base/bytes.hpp"
#include "base/result.hpp"

#include <string>

namespace seneschal::accountability {

class MappedFile {
 public:
  /// At most this many at a time in a process.
  static constexpr std::size_t kMost = 32'768;

  static Result<MappedFile> open(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  Span bytes() const { return {at_, size_}; }
  const std::string& path() const { return path_; }
  /// Whether a page was missing when it was read.
  bool shrank() const;

 private:
  MappedFile() = default;
  void release();

  std::string path_;
  const Byte* at_ = nullptr;
  std::size_t size_ = 0;
  std::size_t slot_ = kMost;
};

}  // namespace seneschal::accountability
