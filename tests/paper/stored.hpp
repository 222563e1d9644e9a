// Transcripts that are kept as files beside the tests that make them.
#pragma once
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace seneschal::testing {

/// Compares with tests/paper/NAME.txt; SENESCHAL_UPDATE_GOLDEN=1 writes it anew.
inline void expect_stored(const std::string& name, const std::string& text) {
  std::string path = std::string(SENESCHAL_SOURCE_DIR) + "/tests/paper/" + name + ".txt";
  if (std::getenv("SENESCHAL_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << text;
    return;
  }
  std::ifstream in(path);
  ASSERT_TRUE(in) << path << " is missing; write it with SENESCHAL_UPDATE_GOLDEN=1";
  std::stringstream stored;
  stored << in.rdbuf();
  EXPECT_EQ(text, stored.str()) << "if this is meant, write the files anew with SENESCHAL_UPDATE_GOLDEN=1";
}

}  // namespace seneschal::testing
