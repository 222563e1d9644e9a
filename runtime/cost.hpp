// What work costs. Live hosts ignore charges; the simulator turns them into virtual CPU time with a cost file.
#pragma once
#include <cstdint>
#include <string_view>

namespace seneschal {

/// One kind of work. Names in cost files are the snake_case forms (`to_string`).
enum class Op : std::uint8_t {
  Receive,       // one datagram taken in by a replica (system call share, dispatch, decode)
  Send,          // one datagram handed out, per destination
  Forward,       // one datagram passed on by an overlay node
  CopyByte,      // one byte copied or encoded
  HashByte,      // one byte of SHA-256
  Mac,           // one MAC made or checked
  SignServer,    // a server's signature
  SignClient,    // a client's signature
  VerifyServer,  // one check of a server's signature
  VerifyClient,  // one check of a client's signature
  VerifySite,    // one check of a site's (threshold) signature
  Share,         // one share of a site signature
  Prove,         // share and proof
  CheckProof,    // one check of a share's proof
  Combine,       // one combination of q shares, result check not included
  Execute,       // one update executed by the application
  Persist,       // one record made durable (latency, not CPU)
  kLast = Persist,
};

std::string_view to_string(Op op);

}  // namespace seneschal
