// Files and folders, with errors that a user can act on.
#pragma once
#include "base/result.hpp"

#include <string>
#include <string_view>

namespace seneschal::lab {

/// Replaces the file's content; folders above it are made.
Status write_file(const std::string& path, std::string_view content);
/// The whole file, at most 256 MiB.
Result<std::string> read_file(const std::string& path);
/// Makes the folder and those above it.
Status make_dir(const std::string& path);
/// `name` relative to the folder of `file`, unless it is absolute.
std::string beside(const std::string& file, const std::string& name);
std::string absolute(const std::string& path);

}  // namespace seneschal::lab
