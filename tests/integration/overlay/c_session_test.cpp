#include "overlay/session.h"

#include "tests/integration/overlay/daemons.hpp"

namespace seneschal::overlay {
namespace {

TEST(OverlayCSession, SendsAndReceives) {
  Daemons daemons;
  daemons.configure(1, "");
  daemons.start(1);
  char error[256] = {};
  EXPECT_EQ(seneschal_session_connect("/nonexistent", 1, error, sizeof error), nullptr);
  EXPECT_NE(std::string(error).find("/nonexistent"), std::string::npos);
  seneschal_session* a = seneschal_session_connect(daemons.session_path(1).c_str(), 1, error, sizeof error);
  ASSERT_NE(a, nullptr) << error;
  seneschal_session* b = seneschal_session_connect(daemons.session_path(1).c_str(), 2, error, sizeof error);
  ASSERT_NE(b, nullptr) << error;
  EXPECT_EQ(seneschal_session_join(b, 9), 0);
  EXPECT_EQ(seneschal_session_send(a, 1, 2, "one", 3), 0);
  EXPECT_EQ(seneschal_session_send_group(a, 9, "three", 5), 0);
  char data[4] = {};
  std::uint16_t node = 0;
  std::uint32_t port = 0;
  EXPECT_EQ(seneschal_session_receive(b, 5000, &node, &port, data, sizeof data), 3);
  EXPECT_EQ(std::string(data, 3), "one");
  EXPECT_EQ(node, 1);
  EXPECT_EQ(port, 1u);
  EXPECT_EQ(seneschal_session_receive(b, 5000, nullptr, nullptr, data, sizeof data), 5);  // cut to the capacity
  EXPECT_EQ(std::string(data, 4), "thre");
  EXPECT_EQ(seneschal_session_receive(b, 10, nullptr, nullptr, data, sizeof data), -1);
  EXPECT_GE(seneschal_session_fd(b), 0);
  daemons.stop(1);
  EXPECT_EQ(seneschal_session_receive(b, 1000, nullptr, nullptr, data, sizeof data), -2);
  seneschal_session_close(a);
  seneschal_session_close(b);
}

}  // namespace
}  // namespace seneschal::overlay
