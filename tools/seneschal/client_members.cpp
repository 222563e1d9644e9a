// `seneschal client enroll`, `revoke` and `members`: who may use a deployment, said by its administrator.
#include "base/version.hpp"
#include "crypto/joining.hpp"
#include "emulator/names.hpp"
#include "lab/report.hpp"
#include "replication/administration.hpp"
#include "tools/seneschal/client_commands.hpp"
#include "tools/seneschal/flags.hpp"

#include <fmt/format.h>
#include <tclap/CmdLine.h>
#include <nlohmann/json.hpp>

using namespace seneschal;
using namespace seneschal::lab;
using replication::Administered;
using replication::Administration;
using replication::Listed;
using Json = nlohmann::ordered_json;

namespace {

struct Order {
  std::string dir, keys;
  double seconds = 15;
  std::uint32_t id = 0;    // 0: the lowest that is free
  std::string site;        // name, or number from 1
  std::uint32_t node = 0;  // 0: the site's
  bool json = false;
};

int complain(std::string_view command, const std::string& message, int code) {
  fmt::print(stderr, "seneschal client {}: {}\n", command, message);
  return code;
}

Result<Place> open_for(const Order& order) {
  auto place = open_place(order.dir, order.keys);
  if (place && place->deployment.administrator == 0)
    return failure("'" + place->deployment.name +
                   "' has no administrator, so nobody can join or leave; a deployment file names one of its clients "
                   "with 'administrator = N'");
  return place;
}

/// A site by its name, or by its number in the topology, from 1.
std::optional<std::size_t> site_called(const Deployment& deployment, const std::string& text) {
  if (const auto by_name = deployment.topology.site_index(text)) return by_name;
  const auto number = tools::whole_number(text, 1, deployment.sites());
  return number ? std::optional<std::size_t>(*number - 1) : std::nullopt;
}
std::string site_names(const Deployment& deployment) {
  std::string names;
  for (const auto& site : deployment.topology.sites) names += (names.empty() ? "" : ", ") + site.name;
  return names;
}
/// Of a client's home; in the flat baseline there is one group and no home.
std::string home_name(const Deployment& deployment, SiteId home) {
  if (deployment.protocol != Protocol::Steward) return "-";
  return home.value < deployment.sites() ? deployment.topology.sites[home.value].name : "?";
}

/// What the servers say to the administrator's order; `Said` is an Administered, or a Listed for ListMembers.
template <class Said = Administered>
Result<Said> administer(const Place& place, const Administration& what, double seconds) {
  const auto done = use_once(place, ClientId(place.deployment.administrator), encode(what), false, seconds);
  if (!done) return std::unexpected(done.error());
  const auto said = decode<Said>(done->result);
  if (!said) return failure("the servers agree on a result that is not one of an administrator's orders");
  return *said;
}

/// The first id above the deployment's clients whose folder is free.
ClientId lowest_free(const Place& place, ClientId from) {
  while (crypto::has_joined(place.cluster.keys, from)) ++from;
  return from;
}

int carry_out_enroll(const Order& order) {
  const auto fail = [](const Error& error) { return complain("enroll", error.message, kFailed); };
  const auto place = open_for(order);
  if (!place) return fail(place.error());
  const Deployment& deployment = place->deployment;
  const auto site = site_called(deployment, order.site);
  if (!site)
    return complain("enroll",
                    fmt::format("--home is '{}'; expected the name of a site ({}), or its number, 1 to {}",
                                emulator::visible(order.site), site_names(deployment), deployment.sites()),
                    kUsage);
  const SiteId home(deployment.protocol == Protocol::Steward ? static_cast<std::uint16_t>(*site) : std::uint16_t{0});
  const NodeId node =
      order.node != 0 ? NodeId(static_cast<std::uint16_t>(order.node)) : deployment.node_of_site(*site);
  const auto known = crypto::load_public_keys(place->cluster.keys);
  if (!known) return fail(known.error());
  ClientId id = order.id != 0 ? ClientId(order.id) : lowest_free(*place, ClientId(deployment.clients + 1));
  // Without --id the servers say which one is free; somebody else may be faster, so more than once.
  for (int attempt = 0; attempt < 3; ++attempt) {
    const auto keys = crypto::make_joining_keys(place->cluster.keys, *known, id, home, node);
    if (!keys) return fail(keys.error());
    const auto said = administer(*place, {replication::Enroll{id, home, node, *keys}}, order.seconds);
    if (!said)
      return complain(
          "enroll",
          said.error().message + fmt::format("; the keys of client {} are kept: it may have been enrolled "
                                             "all the same",
                                             id.value),
          kFailed);
    if (said->verdict == replication::Verdict::Done) {
      fmt::print("client {} is enrolled; its keys are in {}\n", id.value,
                 crypto::principal_directory(place->cluster.keys, Principal::of(id)).string());
      return kGood;
    }
    crypto::remove_joining_keys(place->cluster.keys, id);
    if (order.id != 0 || said->verdict != replication::Verdict::IdUsed)
      return complain("enroll",
                      fmt::format("client {} is not enrolled: {} (the next id is {})", id.value,
                                  replication::to_string(said->verdict), said->next.value),
                      kFailed);
    id = said->next;
  }
  return complain("enroll", "somebody else enrolls clients at the same time; try again", kFailed);
}

int carry_out_revoke(const Order& order) {
  const auto place = open_for(order);
  if (!place) return complain("revoke", place.error().message, kFailed);
  const auto said = administer(*place, {replication::Revoke{ClientId(order.id)}}, order.seconds);
  if (!said) return complain("revoke", said.error().message, kFailed);
  if (said->verdict != replication::Verdict::Done)
    return complain("revoke",
                    fmt::format("client {} is not revoked: {}", order.id, replication::to_string(said->verdict)),
                    kFailed);
  fmt::print("client {} is revoked: its updates are executed no more, and nobody else will ever have its id\n",
             order.id);
  return kGood;
}

/// All members, in as many orders as it takes. Who joins or leaves meanwhile may be in it or not.
Result<std::vector<replication::Member>> list_members(const Place& place, double seconds) {
  std::vector<replication::Member> all;
  for (ClientId from;;) {
    const auto page = administer<Listed>(place, {replication::ListMembers{from}}, seconds);
    if (!page) return std::unexpected(page.error());
    all.insert(all.end(), page->members.begin(), page->members.end());
    if (page->members.size() < replication::kMaxListed) return all;
    from = all.back().id.next();
  }
}

int carry_out_members(const Order& order) {
  const auto place = open_for(order);
  if (!place) return complain("members", place.error().message, kFailed);
  const auto members = list_members(*place, order.seconds);
  if (!members) return complain("members", members.error().message, kFailed);
  const auto is_administrator = [&](const replication::Member& member) {
    return member.id.value == place->deployment.administrator;
  };
  if (order.json) {
    const bool sites = place->deployment.protocol == Protocol::Steward;
    auto listed = nlohmann::ordered_json::array();
    for (const auto& member : *members)
      listed.push_back({{"client", member.id.value},
                        {"home", sites ? Json(home_name(place->deployment, member.home)) : Json()},
                        {"site", sites ? Json(member.home.value + 1) : Json()},
                        {"joined", member.joined},
                        {"administrator", is_administrator(member)}});
    fmt::print("{}\n", nlohmann::ordered_json{{"members", std::move(listed)}}.dump(2));
    return kGood;
  }
  fmt::print("{:>10}  {:>12}\n", "client", "home");
  for (const auto& member : *members)
    fmt::print("{:>10}  {:>12}{}\n", member.id.value, home_name(place->deployment, member.home),
               is_administrator(member) ? "  administrator" : (member.joined ? "  joined" : ""));
  return kGood;
}

/// Parses with `define(line, order)` adding what this command takes besides.
template <class Define, class Run>
int parse(std::string_view command, const std::string& what, int argc, char** argv, const Define& define,
          const Run& run) {
  Order order;
  try {
    TCLAP::CmdLine line(what, ' ', version());
    line.setExceptionHandling(false);
    TCLAP::ValueArg<std::string> where("d", "deployment", "folder given to 'lab up'", false, "seneschal-up", "DIR",
                                       line);
    TCLAP::ValueArg<std::string> ring("k", "keys", "folder of the keys (default: the deployment's)", false, "", "DIR",
                                      line);
    const tools::SecondsFlag patience(line, "t", "timeout", "give up after so many seconds", 15);
    define(line, [&] { line.parse(argc, argv); }, order);
    order.dir = where.getValue();
    order.keys = ring.getValue();
    order.seconds = patience.value();
  } catch (const TCLAP::ExitException& exit) {
    return exit.getExitStatus() == 0 ? kGood : kUsage;
  } catch (const TCLAP::ArgException& error) {
    return complain(command, tools::what_is_wrong(error), kUsage);
  }
  return run(order);
}

}  // namespace

int enroll_command(int argc, char** argv) {
  return parse(
      "enroll",
      "Makes the keys of a new client and has the deployment's administrator, whose keys must be here, enroll it.",
      argc, argv,
      [](TCLAP::CmdLine& line, const auto& go, Order& order) {
        const tools::WholeFlag id(line, "i", "id", "its id (default: the lowest that was never anybody's)", 0, 1,
                                  kLastClientId.value);
        TCLAP::ValueArg<std::string> home("", "home",
                                          "the site where it is: its name, or its number in the topology, from 1",
                                          true, "", "SITE", line);
        const tools::WholeFlag node(line, "", "node", "the overlay node it attaches to (default: its site's)", 0, 1,
                                    0xffff, "NODE");
        go();
        order.id = static_cast<std::uint32_t>(id.value());
        order.site = home.getValue();
        order.node = static_cast<std::uint32_t>(node.value());
      },
      carry_out_enroll);
}

int revoke_command(int argc, char** argv) {
  return parse(
      "revoke", "Has the deployment's administrator, whose keys must be here, revoke a client for ever.", argc, argv,
      [](TCLAP::CmdLine& line, const auto& go, Order& order) {
        TCLAP::UnlabeledValueArg<std::string> id("ID", "the client", true, "", "ID", line);
        go();
        const auto number = tools::whole_number(id.getValue(), 1, kLastClientId.value);
        if (!number)
          throw TCLAP::ArgException(fmt::format("'{}' is no client; expected a number from 1 to {}",
                                                emulator::visible(id.getValue()), kLastClientId.value));
        order.id = static_cast<std::uint32_t>(*number);
      },
      carry_out_revoke);
}

int members_command(int argc, char** argv) {
  return parse(
      "members",
      "Has the deployment's administrator, whose keys must be here, ask which clients belong to it, and of which "
      "home "
      "site each is.",
      argc, argv,
      [](TCLAP::CmdLine& line, const auto& go, Order& order) {
        TCLAP::SwitchArg json("", "json", "machine output", line);
        go();
        order.json = json.getValue();
      },
      carry_out_members);
}
