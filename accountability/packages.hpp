// The report's first case study: software packages. Who packs a library can touch everybody who uses it. [TR IV-A]
//
// Releases are read in order, each from the `Packages` file of an apt mirror. An update is a version of a package
// that was not there before; its client is the package's name, its seq the release. It depends, by AND, on everything
// it needs; each need is an OR over the packages that can meet it: those named, in their newest version, and those
// that provide the name. Version constraints are not compared: what is newest is what one installs.
#pragma once
#include "accountability/store.hpp"

#include <string>
#include <vector>

namespace seneschal::accountability {

struct Package {
  std::string name, version;
  std::vector<std::vector<std::string>> needs;  // all of them, each by one of its names
  std::vector<std::string> provides;
};
/// A `Packages` file's text (RFC 822 style paragraphs). An error names the line. Other fields are skipped.
Result<std::vector<Package>> parse_packages(std::string_view text, const std::string& name);

struct Release {
  std::string name;
  std::vector<Package> packages;
};

struct PackageGraph {
  /// By client number. 1 stands for no package: its updates join packages that need each other, so that everything in
  /// such a cycle depends on everything in it.
  std::vector<std::string> names;
  std::uint64_t updates = 0;
  std::uint64_t cycles = 0;
  std::uint64_t largest_cycle = 0;
  std::uint64_t unmet = 0;  // needs that no package of these lists meets
  std::uint64_t too_wide =
      0;  // packages and cycles that name more than `kMaxLeaves`: they depend on everything before
};
inline constexpr ClientId kCycleClient{1};
/// Writes the graph, and `names.txt` ("NUMBER NAME" lines) into its folder.
Result<PackageGraph> generate(const std::vector<Release>& releases, StoreWriter& to, const std::string& folder);
/// "NUMBER NAME" lines of a graph's folder; nothing if there is no such name.
std::optional<ClientId> client_of_name(const std::string& folder, const std::string& name);

/// How many other packages each client's package would touch if it had been corrupt from its first version on, by
/// client number. Exact; 64 at a time.
std::vector<std::uint64_t> dependants(const Graph& graph, std::size_t clients);

}  // namespace seneschal::accountability
