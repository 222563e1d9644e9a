// The report's first case study: software packages. Who packs a library can touch everybody who uses it. [TR IV-A]
//
// Releases are read in order, each from the `Packages` file of an apt mirror. An update is a version of a package
// that is newer than all before it; its client is the package's maintainer, its seq the release. It depends, by AND,
// on the version before it, on everything it needs, and on every package that is `Essential`, which need not be
// declared; each need is an OR over the packages that can meet it: those named, in their newest version, and those
// that provide the name. Version constraints are not compared: what is newest is what one installs.
//
// Packages that need each other have the least solution: a package is bad if its needs make it so, beginning with
// nobody bad. An OR inside such a cycle stays one.
#pragma once
#include "accountability/store.hpp"

#include <string>
#include <vector>

namespace seneschal::accountability {

struct Package {
  std::string name, version, maintainer;        // no maintainer: the package stands for its own
  std::vector<std::vector<std::string>> needs;  // all of them, each by one of its names
  std::vector<std::string> provides;
  bool essential = false;
};
/// A `Packages` file's text (RFC 822 style paragraphs). An error names the line. Other fields are skipped.
Result<std::vector<Package>> parse_packages(std::string_view text, const std::string& name);

struct Release {
  std::string name;
  std::vector<Package> packages;
};

/// Whether packages that are `Essential` count as needed by all others.
enum class Implicit : std::uint8_t { Ignored, Essential };

struct PackageGraph {
  struct Row {  // an update: of which package, in which release, and what it depends on
    std::uint32_t package = 0, release = 0;
    std::uint32_t first = 0, end = 0;  // of `tokens`: leaves are rows
    std::uint32_t essentials = 0;      // of `lists`: rows that it depends on besides
  };
  std::vector<std::string> names;          // of clients, by number, from 1 on
  std::vector<std::string> packages;       // in order of their first versions
  std::vector<std::uint32_t> maintainers;  // of packages: the client of the newest version
  std::vector<bool> essential;             // of packages
  std::vector<Row> rows;                   // the update with id i is row i - 1
  std::vector<Token> tokens;
  std::vector<std::vector<std::uint32_t>> lists;
  std::uint64_t cycles = 0;  // of packages that need each other
  std::uint64_t largest_cycle = 0;
  std::uint64_t unmet = 0;     // needs that no package of these lists meets
  std::uint64_t older = 0;     // versions that are older than one of an earlier list: no updates
  std::uint64_t too_wide = 0;  // updates that name more than `kMaxLeaves`: they depend on everything before
  std::optional<std::uint32_t> find(const std::string& package) const;
};
/// What depends on what. Writes the updates to `to`, unless that is null.
Result<PackageGraph> read_dependencies(const std::vector<Release>& releases, Implicit implicit, StoreWriter* to);
/// With what is implicit, written to disk, and `names.txt` ("NUMBER NAME" lines: the clients) into its folder.
Result<PackageGraph> generate(const std::vector<Release>& releases, StoreWriter& to, const std::string& folder);
/// Clients of a graph's names.txt that are called so, or whose name is "TEXT <ADDRESS>", or whose address is.
std::vector<std::pair<ClientId, std::string>> clients_of_name(const std::string& folder, const std::string& text);
/// Names of the clients, if the graph has any.
std::map<ClientId, std::string> client_names(const std::string& folder);

/// How many other packages each package would touch if it had been corrupt from its first version on. Exact; 64 at a
/// time.
std::vector<std::uint64_t> dependants(const PackageGraph& graph);
/// Other packages that one would touch if it had been corrupt since a release.
std::vector<std::uint32_t> touched_by(const PackageGraph& graph, std::uint32_t package, std::uint32_t since_release);

}  // namespace seneschal::accountability
