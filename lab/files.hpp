// Files and folders, with errors that a user can act on.
#pragma once
#include "base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace seneschal::lab {

/// Replaces the file's content; folders above it are made.
Status write_file(const std::string& path, std::string_view content);
/// Replaces the file by one with this content, at once (by renaming): a reader sees the old or the new one whole,
/// whenever the writer ends. One writer at a time. Not for devices.
Status replace_file(const std::string& path, std::string_view content);
/// The whole file, at most 256 MiB.
Result<std::string> read_file(const std::string& path);
/// Makes the folder and those above it.
Status make_dir(const std::string& path);
/// `name` relative to the folder of `file`, unless it is absolute.
std::string beside(const std::string& file, const std::string& name);
std::string absolute(const std::string& path);
/// Error if a path cannot be written into configurations; `flag` is where the operator gave it.
Status check_path(const std::string& path, std::string_view flag);
/// Name of the user with this number, or the number; of the user to whom a file or folder belongs ("?": there is
/// none).
std::string user_name(std::uint32_t uid);
std::string owner_of(const std::string& path);

}  // namespace seneschal::lab
