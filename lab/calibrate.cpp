#include "lab/calibrate.hpp"

#include "crypto/digest.hpp"
#include "crypto/mac.hpp"
#include "crypto/threshold_rsa.hpp"
#include "lab/process.hpp"
#include "replication/kv.hpp"
#include "runtime/message.hpp"

#include <fmt/format.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cstring>

namespace seneschal::lab {

namespace {

constexpr std::size_t kMessageBytes = 300;  // a small update with its envelope

/// Keeps the optimiser from dropping what was computed.
volatile std::uint64_t g_sink = 0;

std::int64_t thread_cpu_ns() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

/// CPU picoseconds of one `work`: the least mean of five rounds of about `round`, since everything that disturbs a
/// measurement makes it longer.
template <class F>
std::int64_t measure_ps(F&& work, Duration round = 40ms) {
  std::int64_t best = std::numeric_limits<std::int64_t>::max();
  std::int64_t repeats = 1;
  for (int n = 0; n < 6; ++n) {
    const std::int64_t begin = thread_cpu_ns();
    for (std::int64_t i = 0; i < repeats; ++i) work();
    const std::int64_t spent = std::max<std::int64_t>(thread_cpu_ns() - begin, 1);
    if (n > 0) best = std::min(best, spent * 1000 / repeats);  // the first round warms up and sets the count
    if (n == 0) repeats = std::max<std::int64_t>(1, repeats * round.count() / spent);
    if (n == 0 && repeats > 1000) {
      const std::int64_t again = thread_cpu_ns();
      for (int i = 0; i < 1000; ++i) work();
      repeats = std::max<std::int64_t>(1, 1000 * round.count() / std::max<std::int64_t>(thread_cpu_ns() - again, 1));
    }
  }
  return best;
}

class Calibration {
 public:
  explicit Calibration(Progress& progress) : progress_(progress) {}

  Result<emulator::CostModel> run() {
    costs_.description = "Measured by `seneschal lab calibrate` on " + host_facts();
    memory();
    if (Status good = datagrams(); !good) return std::unexpected(good.error());
    if (Status good = signatures(); !good) return std::unexpected(good.error());
    execution();
    progress_.update("calibrating: safe primes for threshold keys");
    const auto primes = crypto::generate_safe_primes(2048, crypto::system_random());
    if (!primes) return std::unexpected(primes.error());
    for (const auto& [k, n] : {std::pair<std::size_t, std::size_t>{3, 4}, {11, 16}})
      if (Status good = threshold(*primes, k, n); !good) return std::unexpected(good.error());
    costs_.set_picoseconds(Op::Persist, 0);  // durability = "none": the disk is left out
    return std::move(costs_);
  }

 private:
  void set(Op op, std::int64_t ps) {
    costs_.set_picoseconds(op, ps);
    const bool small = ps < 100'000;
    progress_.line(fmt::format("  {:<14} {:>12.3f} {}", to_string(op), static_cast<double>(ps) / (small ? 1e3 : 1e6),
                               small ? "ns" : "us"));
  }

  void memory() {
    progress_.update("calibrating: memory and digests");
    const Bytes data(16 * 1024, 7);
    Bytes copy;
    set(Op::CopyByte, measure_ps([&] {
                        copy.clear();
                        append(copy, data);
                        g_sink = g_sink + copy[5];
                      }) / static_cast<std::int64_t>(data.size()));
    set(Op::HashByte, measure_ps([&] { g_sink = g_sink + crypto::sha256(data).bytes[0]; }) /
                          static_cast<std::int64_t>(data.size()));
    const crypto::MacKey key(Span(data).first(32));
    set(Op::Mac, measure_ps([&] { g_sink = g_sink + key.mac(Span(data).first(256))[0]; }));
  }

  /// System calls over the loopback in batches of 16, as the daemon makes them; decoding of the envelope included.
  Status datagrams() {
    progress_.update("calibrating: datagrams");
    constexpr int kBatch = 16;
    const int out = ::socket(AF_INET, SOCK_DGRAM, 0);
    const int in = ::socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* name = reinterpret_cast<sockaddr*>(&address);
    const bool good = out >= 0 && in >= 0 && ::bind(in, name, sizeof address) == 0 &&
                      ::getsockname(in, name, &size) == 0 && ::connect(out, name, sizeof address) == 0;
    if (!good) {
      if (out >= 0) ::close(out);
      if (in >= 0) ::close(in);
      return failure(std::string("no datagram socket on 127.0.0.1: ") + std::strerror(errno));
    }
    Bytes content = sample_message();
    std::array<std::array<Byte, 2048>, kBatch> buffers;
    std::array<iovec, kBatch> from{}, to{};
    std::array<mmsghdr, kBatch> sending{}, receiving{};
    for (std::size_t i = 0; i < kBatch; ++i) {
      from[i] = {content.data(), content.size()};
      to[i] = {buffers[i].data(), buffers[i].size()};
      sending[i].msg_hdr.msg_iov = &from[i];
      sending[i].msg_hdr.msg_iovlen = 1;
      receiving[i].msg_hdr.msg_iov = &to[i];
      receiving[i].msg_hdr.msg_iovlen = 1;
    }
    // The kernel delivers over the loopback inside the send call: about half of what it takes belongs to the receiver
    // on a real network, so both are charged their share of the round.
    std::int64_t sent_ns = 0, received_ns = 0, count = 0;
    for (int round = 0; round < 2000; ++round) {
      const std::int64_t begin = thread_cpu_ns();
      const int n = ::sendmmsg(out, sending.data(), kBatch, 0);
      const std::int64_t middle = thread_cpu_ns();
      int got = 0;
      while (got < n) {
        const int more = ::recvmmsg(in, receiving.data(), static_cast<unsigned>(n - got), 0, nullptr);
        if (more <= 0) break;
        for (int i = 0; i < more; ++i) {
          const auto slot = static_cast<std::size_t>(i);
          if (parse_sealed(Span(buffers[slot].data(), receiving[slot].msg_len))) g_sink = g_sink + 1;
        }
        got += more;
      }
      received_ns += thread_cpu_ns() - middle;
      sent_ns += middle - begin;
      count += n;
    }
    ::close(out);
    ::close(in);
    set(Op::Send, sent_ns * 1000 / std::max<std::int64_t>(count, 1));
    set(Op::Receive, received_ns * 1000 / std::max<std::int64_t>(count, 1));
    set(Op::Forward, (sent_ns + received_ns) * 1000 / std::max<std::int64_t>(count, 1));
    return {};
  }

  static Bytes sample_message() {
    Header header;
    const Bytes body(kMessageBytes, 3);
    header.body_size = static_cast<std::uint32_t>(body.size());
    Bytes sealed = unsealed(header, body);
    sealed.resize(sealed.size() + 16);
    return sealed;
  }

  Status signatures() {
    progress_.update("calibrating: signatures");
    const Bytes message(kMessageBytes, 3);
    const auto one = [&](crypto::Scheme scheme, Op sign, Op verify) -> Status {
      const auto key = crypto::PrivateKey::generate(scheme);
      if (!key) return std::unexpected(key.error());
      set(sign, measure_ps([&] { g_sink = g_sink + key->sign(message)[0]; }));
      const Bytes signature = key->sign(message);
      const auto known = key->public_key();
      set(verify, measure_ps([&] { g_sink = g_sink + (known.verify(message, signature) ? 1 : 0); }));
      return {};
    };
    if (Status good = one(crypto::Scheme::Rsa2048, Op::SignServer, Op::VerifyServer); !good) return good;
    return one(crypto::Scheme::Ed25519, Op::SignClient, Op::VerifyClient);
  }

  void execution() {
    progress_.update("calibrating: execution");
    replication::kv::KvApplication application;
    const Bytes value(200, 9);
    std::uint32_t n = 0;
    set(Op::Execute, measure_ps([&] {
          const std::string key = "c" + std::to_string(n++ % 1000) + "-0";
          g_sink = g_sink + application.apply(ClientId(1), replication::kv::put(key, value)).size();
          application.settle();
        }));
  }

  Status threshold(const crypto::SafePrimePair& primes, std::size_t k, std::size_t n) {
    progress_.update(fmt::format("calibrating: threshold signatures, {} of {}", k, n));
    const auto random = crypto::system_random();
    const auto dealt = crypto::deal(primes, k, n, crypto::KeyStrength::Standard, random);
    if (!dealt) return std::unexpected(dealt.error());
    const Bytes message(kMessageBytes, 5);
    std::vector<Bytes> shares;
    std::vector<crypto::IdentifiedShare> identified;
    for (std::size_t i = 0; i < k; ++i) shares.push_back(dealt->shares[i].share(message));
    for (std::size_t i = 0; i < k; ++i) identified.push_back({i + 1, shares[i]});
    const auto proven = dealt->shares[0].prove(message, random);
    emulator::ThresholdCosts costs;
    costs.k = static_cast<std::uint32_t>(k);
    costs.n = static_cast<std::uint32_t>(n);
    costs.bits = 2048;
    costs.share_ps = measure_ps([&] { g_sink = g_sink + dealt->shares[0].share(message)[0]; });
    costs.prove_ps = measure_ps([&] { g_sink = g_sink + dealt->shares[0].prove(message, random).proof[0]; });
    costs.check_proof_ps = measure_ps(
        [&] { g_sink = g_sink + (dealt->key.check_share(1, message, proven.share, proven.proof) ? 1 : 0); });
    // `combine` verifies its result; the simulator charges that apart.
    const auto signature = dealt->key.combine(message, identified);
    if (!signature) return failure("the shares of a fresh threshold key do not combine");
    const std::int64_t verify =
        measure_ps([&] { g_sink = g_sink + (dealt->key.verify(message, *signature) ? 1 : 0); });
    const std::int64_t both = measure_ps([&] { g_sink = g_sink + dealt->key.combine(message, identified)->size(); });
    costs.combine_ps = std::max<std::int64_t>(both - verify, 0);
    if (costs_.thresholds().empty()) {
      set(Op::VerifySite, verify);
      set(Op::Share, costs.share_ps);
      set(Op::Prove, costs.prove_ps);
      set(Op::CheckProof, costs.check_proof_ps);
      set(Op::Combine, costs.combine_ps);
    }
    costs_.set_threshold(costs);
    return {};
  }

  Progress& progress_;
  emulator::CostModel costs_;
};

}  // namespace

Result<emulator::CostModel> calibrate(Progress& progress) {
  return Calibration(progress).run();
}

}  // namespace seneschal::lab
