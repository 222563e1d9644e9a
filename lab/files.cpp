#include "lab/files.hpp"

#include "emulator/names.hpp"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace seneschal::lab {

namespace fs = std::filesystem;

Status make_dir(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return failure(path + ": the folder cannot be made: " + error.message() + "; choose another with --out");
  return {};
}

Status write_file(const std::string& path, std::string_view content) {
  const fs::path parent = fs::path(path).parent_path();
  if (!parent.empty())
    if (Status made = make_dir(parent.string()); !made) return made;
  errno = 0;
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  out.flush();
  if (!out)
    return failure(path + ": cannot be written: " + std::strerror(errno) + "; check the folder and free space");
  return {};
}

Status replace_file(const std::string& path, std::string_view content) {
  const std::string draft = path + ".draft";
  std::error_code error;
  if (Status written = write_file(draft, content); !written) {
    fs::remove(draft, error);
    return written;
  }
  fs::rename(draft, path, error);
  if (!error) return {};
  std::error_code ignored;
  fs::remove(draft, ignored);
  return failure(path + ": cannot be replaced: " + error.message() + "; check the folder");
}

Result<std::string> read_file(const std::string& path) {
  constexpr std::size_t kMaxBytes = std::size_t{256} << 20;
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::ostringstream content;
  if (!in || !(content << in.rdbuf())) {
    std::error_code error;
    if (in && fs::is_regular_file(path, error)) return std::string();  // empty
    return failure(path + ": cannot be read: " + std::strerror(errno) + "; check the path");
  }
  std::string text = std::move(content).str();
  if (text.size() > kMaxBytes) return failure(path + ": is over 256 MiB");
  return text;
}

std::string beside(const std::string& file, const std::string& name) {
  if (name.starts_with('/')) return name;
  return (fs::path(file).parent_path() / name).lexically_normal().string();
}

std::string absolute(const std::string& path) {
  std::error_code error;
  const fs::path full = fs::absolute(path, error);
  return error ? path : full.lexically_normal().string();
}

Status check_path(const std::string& path, std::string_view flag) {
  if (const auto wrong = emulator::wrong_with_path(path.empty() ? path : absolute(path)))
    return failure(std::string(flag) + " is '" + emulator::visible(path) + "', which " + *wrong);
  return {};
}

std::string user_name(std::uint32_t uid) {
  const passwd* entry = ::getpwuid(uid);
  return entry != nullptr ? std::string(entry->pw_name) : "number " + std::to_string(uid);
}

std::string owner_of(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 ? user_name(info.st_uid) : "?";
}

}  // namespace seneschal::lab
