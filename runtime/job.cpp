#include "runtime/job.hpp"

#include "base/check.hpp"
#include "runtime/message.hpp"

namespace seneschal {
namespace {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

}  // namespace

bool check(const Proof& proof, const crypto::Keys& keys, const Principal& self) {
  constexpr std::size_t kMacSize = std::tuple_size_v<crypto::Mac>;
  switch (static_cast<AuthKind>(proof.auth_kind)) {
    case AuthKind::Signature: return keys.verify(proof.signer, proof.signed_bytes, proof.auth);
    case AuthKind::Mac:
      return proof.auth.size() == kMacSize && keys.verify_mac(proof.signer, proof.signed_bytes, proof.auth);
    case AuthKind::Authenticator: {
      if (!self.is_server()) return false;
      std::size_t at = self.server().index.value * kMacSize;
      if (proof.auth.size() % kMacSize != 0 || proof.auth.size() < at + kMacSize) return false;
      return keys.verify_mac(proof.signer, proof.signed_bytes, proof.auth.subspan(at, kMacSize));
    }
    case AuthKind::Bare: return proof.auth.empty();
  }
  return false;
}

JobResult perform(const Job& job, const crypto::Keys& keys, const Principal& self) {
  return std::visit(Overloaded{
                        [&](const SignJob& j) -> JobResult { return SignResult{keys.sign(*j.message)}; },
                        [&](const ShareJob& j) -> JobResult { return ShareResult{keys.share(*j.message), {}}; },
                        [&](const ProveJob& j) -> JobResult {
                          auto made = keys.prove(*j.message);
                          return ShareResult{std::move(made.share), std::move(made.proof)};
                        },
                        [&](const CombineJob& j) -> JobResult {
                          std::vector<crypto::ShareOf> shares;
                          shares.reserve(j.shares.size());
                          for (const auto& s : j.shares) shares.push_back({s.owner, s.share});
                          return CombineResult{keys.combine(j.site, *j.message, shares)};
                        },
                        [&](const CheckSharesJob& j) -> JobResult {
                          CheckSharesResult result;
                          for (const auto& s : j.shares)
                            result.good.push_back(!s.proof.empty() &&
                                                  keys.check_share({j.site, s.owner}, *j.message, s.share, s.proof));
                          return result;
                        },
                        [&](const VerifyJob& j) -> JobResult {
                          return VerifyResult{std::ranges::all_of(
                              j.proofs, [&](const Proof& proof) { return check(proof, keys, self); })};
                        },
                    },
                    job);
}

Op cost_of(const Proof& proof) {
  if (static_cast<AuthKind>(proof.auth_kind) != AuthKind::Signature) return Op::Mac;
  switch (proof.signer.kind) {
    case PrincipalKind::Server:
    case PrincipalKind::Node: return Op::VerifyServer;
    case PrincipalKind::Site: return Op::VerifySite;
    case PrincipalKind::Client: return Op::VerifyClient;
  }
  return Op::VerifyServer;
}

std::vector<Charge> costs_of(const Job& job, const Principal& self) {
  return std::visit(
      Overloaded{
          [&](const SignJob& j) {
            return std::vector<Charge>{{self.is_client() ? Op::SignClient : Op::SignServer, 1},
                                       {Op::HashByte, j.message->size()}};
          },
          [](const ShareJob& j) { return std::vector<Charge>{{Op::Share, 1}, {Op::HashByte, j.message->size()}}; },
          [](const ProveJob& j) {
            return std::vector<Charge>{{Op::Share, 1}, {Op::Prove, 1}, {Op::HashByte, j.message->size()}};
          },
          [](const CombineJob&) { return std::vector<Charge>{{Op::Combine, 1}, {Op::VerifySite, 1}}; },
          [](const CheckSharesJob& j) { return std::vector<Charge>{{Op::CheckProof, j.shares.size()}}; },
          [](const VerifyJob& j) {
            std::vector<Charge> charges;
            for (const auto& p : j.proofs) {
              Op op = cost_of(p);
              if (!charges.empty() && charges.back().op == op)
                ++charges.back().count;
              else
                charges.push_back({op, 1});
            }
            return charges;
          },
      },
      job);
}

}  // namespace seneschal
