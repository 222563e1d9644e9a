#include "runtime/cost.hpp"

namespace seneschal {

std::string_view to_string(Op op) {
  switch (op) {
    case Op::Receive: return "receive";
    case Op::Send: return "send";
    case Op::Forward: return "forward";
    case Op::CopyByte: return "copy_byte";
    case Op::HashByte: return "hash_byte";
    case Op::Mac: return "mac";
    case Op::SignServer: return "sign_server";
    case Op::SignClient: return "sign_client";
    case Op::VerifyServer: return "verify_server";
    case Op::VerifyClient: return "verify_client";
    case Op::VerifySite: return "verify_site";
    case Op::Share: return "share";
    case Op::Prove: return "prove";
    case Op::CheckProof: return "check_proof";
    case Op::Combine: return "combine";
    case Op::Execute: return "execute";
    case Op::Persist: return "persist";
  }
  return "unknown";
}

}  // namespace seneschal
