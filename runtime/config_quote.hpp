// A value of a `ConfigText` that holds any character: in double quotes, with \\, \", \n, \r and \t for those that
// could not stand there.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace seneschal {

std::string config_quoted(std::string_view text);
/// The text of a quoted value; nothing if its quotes do not close at its end, or if an escape is unknown.
std::optional<std::string> config_unquoted(std::string_view value);

}  // namespace seneschal
