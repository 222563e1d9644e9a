#include "crypto/key_text.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace seneschal::crypto {

namespace {
constexpr std::size_t kMaxKeyFileBytes = 16 << 20;

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

std::unexpected<Error> system_failure(const std::string& what, const std::filesystem::path& path) {
  return failure("cannot " + what + " " + path.string() + ": " + std::strerror(errno));
}
}  // namespace

Status create_directory(const std::filesystem::path& path, bool is_private) {
  if (::mkdir(path.c_str(), is_private ? 0700 : 0755) != 0) return system_failure("create directory", path);
  return {};
}

Status create_file(const std::filesystem::path& path, Span contents, bool is_private) {
  const File file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, is_private ? 0600 : 0644));
  if (file.get() < 0) return system_failure("create", path);
  while (!contents.empty()) {
    const ssize_t written = ::write(file.get(), contents.data(), contents.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return system_failure("write", path);
    contents = contents.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Result<SecretBytes> read_key_file(const std::filesystem::path& path, bool is_private) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return system_failure("open key file", path);
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) return system_failure("inspect", path);
  if (!S_ISREG(info.st_mode)) return failure(path.string() + " is not a regular file");
  if (is_private && (info.st_mode & 077) != 0) {
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", static_cast<unsigned>(info.st_mode & 07777));
    return failure(path.string() + " holds a private key but has mode " + mode + "; run: chmod 600 " + path.string());
  }
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size > kMaxKeyFileBytes) return failure(path.string() + " is too large for a key file");
  SecretBytes contents(size);
  std::span<Byte> rest = contents.expose();
  while (!rest.empty()) {
    const ssize_t got = ::read(file.get(), rest.data(), rest.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_failure("read", path);
    if (got == 0) return failure(path.string() + " shrank while it was read");
    rest = rest.subspan(static_cast<std::size_t>(got));
  }
  return contents;
}

namespace {
template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}
}  // namespace

std::optional<Principal> parse_principal(std::string_view text) {
  if (text.starts_with("client ")) {
    const auto id = parse_number<std::uint32_t>(text.substr(7));
    return id ? std::optional(Principal::of(ClientId(*id))) : std::nullopt;
  }
  if (!text.starts_with("server ")) return std::nullopt;
  text.remove_prefix(7);
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto site = parse_number<std::uint16_t>(text.substr(0, slash));
  const auto index = parse_number<std::uint16_t>(text.substr(slash + 1));
  if (!site || !index) return std::nullopt;
  return Principal::of(ServerId{SiteId(*site), ServerIndex(*index)});
}

void KeyText::fail(const std::string& what) {
  if (ok()) status_ = failure(path_.string() + ":" + std::to_string(line_) + ": " + what);
}

std::string_view KeyText::line() {
  if (!ok()) return {};
  ++line_;
  const std::size_t end = rest_.find('\n');
  if (end == std::string_view::npos) {
    fail("the file ends too early");
    return {};
  }
  const std::string_view result = rest_.substr(0, end);
  rest_.remove_prefix(end + 1);
  return result;
}

std::string_view KeyText::text(std::string_view name) {
  const std::string_view got = line();
  if (!ok()) return {};
  if (got.size() > name.size() && got.starts_with(name) && got[name.size()] == ' ')
    return got.substr(name.size() + 1);
  fail("expected a line \"" + std::string(name) + " ...\"");  // never the line itself: it may be secret
  return {};
}

std::uint64_t KeyText::number(std::string_view name, std::uint64_t max) {
  const std::string_view value = text(name);
  if (!ok()) return 0;
  const auto result = parse_number<std::uint64_t>(value);
  if (result && *result <= max) return *result;
  fail("\"" + std::string(name) + "\" must be a number from 0 to " + std::to_string(max));
  return 0;
}

Bytes KeyText::hex(std::string_view name) {
  const std::string_view value = text(name);
  if (!ok()) return {};
  if (auto bytes = from_hex(value); bytes && !bytes->empty()) return std::move(*bytes);
  fail("\"" + std::string(name) + "\" must be hexadecimal");
  return {};
}

DeploymentId KeyText::deployment() {
  const Bytes bytes = hex("deployment");
  if (ok() && bytes.size() != 8) fail("\"deployment\" must have 16 hexadecimal digits");
  if (!ok()) return {};
  std::uint64_t value = 0;
  for (Byte byte : bytes) value = value << 8 | byte;
  return DeploymentId(value);
}

std::string_view KeyText::pem() {
  const char* const start = rest_.data();
  if (ok() && !rest_.starts_with("-----BEGIN ")) {
    ++line_;
    fail("expected a PEM block (-----BEGIN ...)");
  }
  while (ok())
    if (line().starts_with("-----END ")) return {start, static_cast<std::size_t>(rest_.data() - start)};
  return {};
}

void KeyText::end() {
  if (ok() && !rest_.empty()) {
    ++line_;
    fail("expected the end of the file");
  }
}

}  // namespace seneschal::crypto
