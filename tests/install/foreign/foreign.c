/* foreign SOCKET: says why there is no node, or what port it has at one. */
#include <seneschal/plugin.h>
#include <seneschal/session.h>
#include <stdio.h>

int main(int argc, char** argv) {
  char error[256] = "";
  seneschal_session* session = seneschal_session_connect(argc > 1 ? argv[1] : "/nonexistent", 7000, error, sizeof error);
  if (session == NULL) {
    printf("no session: %s\n", error);
    return 1;
  }
  printf("a session, contract %d\n", SENESCHAL_PLUGIN_VERSION);
  seneschal_session_close(session);
  return 0;
}
