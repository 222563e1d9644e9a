// The first case study's tables and page.
#pragma once
#include <string>
#include <vector>

namespace seneschal::graph_tool {

struct PackagesArguments {
  std::string graph;               // folder to make
  std::vector<std::string> lists;  // RELEASE=PATH, in order
  std::string what_if;             // a package; empty: the one with most dependants
  std::string since;               // a release; empty: the first
};
int make_packages(const PackagesArguments& arguments);

}  // namespace seneschal::graph_tool
