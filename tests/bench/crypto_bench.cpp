// What a threshold share, its proof and the check of it cost with each backend, one thread alone and all hardware
// threads at once (siblings of one core share its multipliers).
//
//   crypto_bench [rounds]
//
// Rounds alternate between the backends and the least time counts: what else runs on the machine can only add.
#include "crypto/modulus.hpp"
#include "crypto/random.hpp"
#include "crypto/threshold_rsa.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>

namespace seneschal::crypto {
namespace {

struct Backend {
  const char* name;
  Dealing dealing;
};

double milliseconds(const std::function<void()>& work, unsigned threads) {
  constexpr int kRepeat = 8;
  const auto start = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> others;
    const auto run = [&] {
      for (int i = 0; i < kRepeat; ++i) work();
    };
    for (unsigned i = 1; i < threads; ++i) others.emplace_back(run);
    run();
  }
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count() / kRepeat;
}

void compare(const char* what, std::vector<Backend>& backends, unsigned threads, int rounds,
             const std::function<void(const Backend&)>& work) {
  std::vector<double> least(backends.size(), 1e9);
  for (int round = 0; round < rounds; ++round)
    for (std::size_t i = 0; i < backends.size(); ++i)
      least[i] = std::min(least[i], milliseconds([&] { work(backends[i]); }, threads));
  std::printf("%-12s %2u thread%s", what, threads, threads == 1 ? " " : "s");
  for (std::size_t i = 0; i < backends.size(); ++i) std::printf("  %s %6.3f ms", backends[i].name, least[i]);
  std::printf("\n");
}

int run(int rounds) {
  const SafePrimePair primes = *generate_safe_primes(2048, system_random());
  std::vector<Backend> backends;
  const auto add = [&](const char* name) {
    backends.push_back({name, *deal(primes, 3, 4, KeyStrength::Standard, system_random())});
  };
  setenv("SENESCHAL_IFMA", "off", 1);
  add("openssl");
  unsetenv("SENESCHAL_IFMA");
  if (default_power_backend() == PowerBackend::Ifma) add("ifma");
  const Bytes message = to_bytes("what a share costs");
  std::vector<ShareWithProof> proofs;
  for (const Backend& backend : backends) proofs.push_back(backend.dealing.shares[0].prove(message, system_random()));
  const unsigned all = std::max(1u, std::thread::hardware_concurrency());
  for (const unsigned threads : {1u, all}) {
    compare("share", backends, threads, rounds, [&](const Backend& b) { (void)b.dealing.shares[0].share(message); });
    compare("share+proof", backends, threads, rounds,
            [&](const Backend& b) { (void)b.dealing.shares[0].prove(message, system_random()); });
    compare("check", backends, threads, rounds, [&](const Backend& b) {
      const ShareWithProof& proof = proofs[static_cast<std::size_t>(&b - backends.data())];
      CHECK(b.dealing.key.check_share(1, message, proof.share, proof.proof));
    });
  }
  return 0;
}

}  // namespace
}  // namespace seneschal::crypto

int main(int argc, char** argv) {
  return seneschal::crypto::run(argc > 1 ? std::atoi(argv[1]) : 20);
}
