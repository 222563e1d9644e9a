// `seneschal ctl`: asks a running node and changes its links.
#include "base/version.hpp"
#include "emulator/link_toml.hpp"
#include "runtime/asio/unix_socket.hpp"
#include "tools/seneschal/commands.hpp"
#include "tools/seneschal/flags.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <tclap/CmdLine.h>
#include <nlohmann/json.hpp>

namespace {

using namespace seneschal;
using Json = nlohmann::ordered_json;

constexpr int kPatienceSeconds = 10;

Result<Json> ask(const std::string& path, const Json& request) {
  auto fd = asio::connect_unix(path, SOCK_STREAM);
  if (!fd) return std::unexpected(fd.error());
  const timeval patience{kPatienceSeconds, 0};
  (void)::setsockopt(fd->get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const std::string line = request.dump() + "\n";
  if (::send(fd->get(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
    return failure(path + ": the node does not take the request");
  std::string answer;
  std::array<char, 65536> buffer;
  while (answer.find('\n') == std::string::npos) {
    const ssize_t n = ::recv(fd->get(), buffer.data(), buffer.size(), 0);
    if (n <= 0) return failure(path + ": the node does not answer");
    answer.append(buffer.data(), static_cast<std::size_t>(n));
  }
  Json json = Json::parse(answer, nullptr, false);
  if (!json.is_object()) return failure(path + ": this is not the control socket of a node");
  if (!json.value("ok", false)) return failure(json.value("error", "the node refuses"));
  return json;
}

std::string cell(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return fmt::format("{:.2f}", value.get<double>());
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  return value.dump();
}

void print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
    while (!line.empty() && line.back() == ' ') line.pop_back();
    fmt::print("{}\n", line);
  }
}

std::string list_of(const Json& object) {
  std::string text;
  for (const auto& [name, value] : object.items()) text += (text.empty() ? "" : ", ") + name + " " + cell(value);
  return text.empty() ? "-" : text;
}

void print_status(const Json& status) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, value] : status.items()) {
    if (name == "ok" || name == "plugins") continue;
    rows.push_back({name, value.is_object() ? list_of(value) : cell(value)});
  }
  // Not a matter of course: a server that lost its log, or cannot write it, says nothing that others count on.
  for (const Json& p : status.value("plugins", Json::array())) {
    const std::string log = p["log"]["state"].get<std::string>();
    if (!log.empty() && log != "kept" && log != "none")
      rows.push_back({cell(p["name"]) + " on port " + cell(p["port"]), "its log is " + log});
  }
  print_table(rows);
}

void print_plugins(const Json& plugins) {
  std::vector<std::vector<std::string>> rows = {
      {"PORT", "NAME", "STATE", "DATAGRAMS", "SENDS", "JOBS", "QUEUED", "DROPPED", "STATUS"}};
  for (const Json& p : plugins)
    rows.push_back({cell(p["port"]), cell(p["name"]), cell(p["state"]), cell(p["datagrams"]), cell(p["sends"]),
                    cell(p["jobs"]), cell(p["queued"]), cell(p["dropped_in"]), list_of(p["status"])});
  print_table(rows);
}

void print_links(const Json& links) {
  std::vector<std::vector<std::string>> rows = {{"LINK", "UP", "RTT ms", "DELAY ms", "Mbps", "LOSS %", "PACKETS",
                                                 "WIRE BYTES", "QUEUE DROPS", "LOST", "LATE p50/p99 us", "DROPS"}};
  for (const Json& l : links) {
    const Json& model = l["model"];
    const Json& fidelity = l["fidelity"];
    rows.push_back({cell(l["from"]) + "->" + cell(l["to"]), cell(l["up"]), cell(l["rtt_ms"]), cell(model["delay_ms"]),
                    model["bandwidth_mbps"].get<double>() == 0 ? "any" : cell(model["bandwidth_mbps"]),
                    cell(model["loss_percent"]), cell(l["packets"]), cell(l["wire_bytes"]), cell(l["queue_drops"]),
                    cell(l["losses"]),
                    cell(fidelity["delay_error_p50_us"]) + "/" + cell(fidelity["delay_error_p99_us"]),
                    list_of(l["drops"])});
  }
  print_table(rows);
}

struct BadWords {
  std::string message;
};

// link set A B name=value...
Json link_set_request(const std::vector<std::string>& words) {
  if (words.size() < 5 || words[1] != "set")
    throw BadWords{"expected: link set FROM TO delay_ms=50 bandwidth_mbps=10 ..."};
  const auto from = tools::whole_number(words[2], 0, 0xffff), to = tools::whole_number(words[3], 0, 0xffff);
  if (!from || !to) throw BadWords{"expected the ids of two nodes, 0 to 65535, after 'link set'"};
  Json set = Json::object();
  for (std::size_t i = 4; i < words.size(); ++i) {
    const std::size_t equals = words[i].find('=');
    const auto value =
        equals == std::string::npos ? std::nullopt : tools::any_number(std::string_view(words[i]).substr(equals + 1));
    if (!value) throw BadWords{"'" + words[i] + "' is not name=number"};
    const std::string name = words[i].substr(0, equals);
    // NaN and the infinite cannot be said in JSON; the node would not say why it refuses them.
    emulator::LinkConfig tried;
    if (Status good = emulator::set_link_property(tried, name, *value); !good && !std::isfinite(*value))
      throw BadWords{good.error().message};
    if (set.contains(name)) throw BadWords{"'" + name + "' is given twice"};
    set[name] = *value;
  }
  return {{"command", "link_set"}, {"from", *from}, {"to", *to}, {"set", set}};
}

int run(const std::string& socket, const std::vector<std::string>& words, bool json) {
  const std::string& what = words.front();
  if (what != "link" && words.size() > 1) throw BadWords{"'" + words[1] + "' is too much after '" + what + "'"};
  Json request;
  if (what == "status" || what == "links" || what == "plugins") {
    request = {{"command", what}};
  } else if (what == "link") {
    request = link_set_request(words);
  } else {
    throw BadWords{"unknown command '" + what + "'; expected status, links, plugins or link set"};
  }
  const auto answer = ask(socket, request);
  if (!answer) {
    fmt::print(stderr, "seneschal ctl: {}\n", answer.error().message);
    return 1;
  }
  if (json) {
    fmt::print("{}\n", answer->dump());
  } else if (what == "status") {
    print_status(*answer);
    if (!answer->at("plugins").empty()) fmt::print("\n");
    if (!answer->at("plugins").empty()) print_plugins(answer->at("plugins"));
  } else if (what == "links") {
    print_links(answer->at("links"));
  } else if (what == "plugins") {
    print_plugins(answer->at("plugins"));
  } else {
    fmt::print("link {} -> {}: {}\n", cell(answer->at("from")), cell(answer->at("to")), list_of(answer->at("model")));
  }
  return 0;
}

}  // namespace

int ctl_command(int argc, char** argv) {
  try {
    TCLAP::CmdLine line("Shows and changes a running node.", ' ', version());
    TCLAP::ValueArg<std::string> socket("s", "socket", "the node's control socket", true, "", "PATH", line);
    TCLAP::SwitchArg json("", "json", "print the node's answer as JSON", line);
    TCLAP::UnlabeledMultiArg<std::string> words(
        "command", "status | links | plugins | link set FROM TO delay_ms=50 bandwidth_mbps=10 loss_percent=1 ...",
        true, "COMMAND", line);
    line.setExceptionHandling(false);
    line.parse(argc, argv);
    return run(socket.getValue(), words.getValue(), json.getValue());
  } catch (const TCLAP::ArgException& error) {
    fmt::print(stderr, "seneschal ctl: {}\nTry 'seneschal ctl --help'.\n", tools::what_is_wrong(error));
    return 2;
  } catch (const BadWords& error) {
    fmt::print(stderr, "seneschal ctl: {}\n", error.message);
    return 2;
  } catch (const TCLAP::ExitException& exit) {
    return exit.getExitStatus();
  }
}
