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
#include <thread>
#include <utility>

namespace seneschal::lab {

namespace {

constexpr std::size_t kMessageBytes = 300;  // a small update with its envelope

/// Keeps the optimiser from dropping what was computed.
thread_local volatile std::uint64_t g_sink = 0;

/// How many hardware threads a live run keeps busy besides the one that is measured.
unsigned other_threads() {
  return std::max(std::thread::hardware_concurrency(), 1u) - 1;
}

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
  for (int n = 0; n < 6 && !interrupted(); ++n) {
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

/// What one operation takes while this is the only thread of ours, and while all hardware threads do the same.
struct Cost {
  std::int64_t alone_ps = 0;
  std::int64_t busy_ps = 0;
};

/// Runs `measure` alone, then with every other hardware thread doing what `make_work()` gives each of them.
template <class Make, class Measure>
Cost alone_and_busy(const Make& make_work, const Measure& measure) {
  Cost cost;
  if (interrupted()) return cost;  // nobody will use it
  cost.alone_ps = cost.busy_ps = measure();
  if (other_threads() == 0 || interrupted()) return cost;
  std::vector<std::jthread> others;
  for (unsigned i = 0; i < other_threads(); ++i)
    others.emplace_back([work = make_work()](const std::stop_token& stop) mutable {
      while (!stop.stop_requested()) work();
    });
  cost.busy_ps = measure();
  return cost;
}

/// `make_work()` gives one thread a piece of work to repeat.
template <class Make>
Cost cost_of(const Make& make_work) {
  return alone_and_busy(make_work, [&] { return measure_ps(make_work()); });
}

/// A socket pair over the loopback, used in batches of 16 as the daemon does; decoding of the envelope included.
class DatagramPair {
 public:
  DatagramPair() {
    out_ = ::socket(AF_INET, SOCK_DGRAM, 0);
    in_ = ::socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* name = reinterpret_cast<sockaddr*>(&address);
    good_ = out_ >= 0 && in_ >= 0 && ::bind(in_, name, sizeof address) == 0 && ::getsockname(in_, name, &size) == 0 &&
            ::connect(out_, name, sizeof address) == 0;
    Header header;
    const Bytes body(kMessageBytes, 3);
    header.body_size = static_cast<std::uint32_t>(body.size());
    content_ = unsealed(header, body);
    content_.resize(content_.size() + 16);
    for (std::size_t i = 0; i < kBatch; ++i) {
      from_[i] = {content_.data(), content_.size()};
      to_[i] = {buffers_[i].data(), buffers_[i].size()};
      sending_[i].msg_hdr.msg_iov = &from_[i];
      sending_[i].msg_hdr.msg_iovlen = 1;
      receiving_[i].msg_hdr.msg_iov = &to_[i];
      receiving_[i].msg_hdr.msg_iovlen = 1;
    }
  }
  DatagramPair(const DatagramPair&) = delete;
  DatagramPair& operator=(const DatagramPair&) = delete;
  ~DatagramPair() {
    if (out_ >= 0) ::close(out_);
    if (in_ >= 0) ::close(in_);
  }
  bool good() const { return good_; }

  /// One batch there and back.
  void round() {
    const std::int64_t begin = thread_cpu_ns();
    const int n = ::sendmmsg(out_, sending_.data(), kBatch, 0);
    const std::int64_t middle = thread_cpu_ns();
    int got = 0;
    while (got < n) {
      const int more = ::recvmmsg(in_, receiving_.data(), static_cast<unsigned>(n - got), 0, nullptr);
      if (more <= 0) break;
      for (int i = 0; i < more; ++i) {
        const auto slot = static_cast<std::size_t>(i);
        if (parse_sealed(Span(buffers_[slot].data(), receiving_[slot].msg_len))) g_sink = g_sink + 1;
      }
      got += more;
    }
    received_ns += thread_cpu_ns() - middle;
    sent_ns += middle - begin;
    count += std::max(n, 0);
  }

  std::int64_t sent_ns = 0, received_ns = 0, count = 0;

 private:
  static constexpr int kBatch = 16;
  int out_ = -1, in_ = -1;
  bool good_ = false;
  Bytes content_;
  std::array<std::array<Byte, 2048>, kBatch> buffers_{};
  std::array<iovec, kBatch> from_{}, to_{};
  std::array<mmsghdr, kBatch> sending_{}, receiving_{};
};

class Calibration {
 public:
  explicit Calibration(Progress& progress) : progress_(progress) {}

  Result<emulator::CostModel> run() {
    costs_.description = fmt::format(
        "Measured by `seneschal lab calibrate` on {}, each operation while all {} hardware threads did the same, as "
        "in a "
        "live run with everything on this machine: threads of one core share its units and its clock",
        host_facts(), other_threads() + 1);
    progress_.line(fmt::format("  {:<14} {:>12}    {:>12}", "", "alone", "all busy"));
    memory();
    if (Status good = datagrams(); !good) return std::unexpected(good.error());
    if (Status good = signatures(); !good) return std::unexpected(good.error());
    execution();
    progress_.update("calibrating: safe primes for threshold keys");
    const auto primes = crypto::generate_safe_primes(2048, crypto::system_random(), interrupted);
    if (!primes) return std::unexpected(primes.error());
    for (const auto& [k, n] : {std::pair<std::size_t, std::size_t>{3, 4}, {11, 16}})
      if (Status good = threshold(*primes, k, n); !good) return std::unexpected(good.error());
    if (interrupted()) return failure("interrupted");
    costs_.set_picoseconds(Op::Persist, 0);  // durability = "none": the disk is left out
    return std::move(costs_);
  }

 private:
  /// The busy figure is what goes into the file.
  void set(Op op, Cost cost) {
    if (interrupted()) return;
    costs_.set_picoseconds(op, cost.busy_ps);
    const bool small = cost.busy_ps < 100'000;
    const double unit = small ? 1e3 : 1e6;
    progress_.line(fmt::format("  {:<14} {:>12.3f} {} {:>12.3f} {}", to_string(op),
                               static_cast<double>(cost.alone_ps) / unit, small ? "ns" : "us",
                               static_cast<double>(cost.busy_ps) / unit, small ? "ns" : "us"));
  }

  void memory() {
    progress_.update("calibrating: memory and digests");
    const Bytes data(16 * 1024, 7);
    const auto per_byte = [&](Cost cost) {
      const auto bytes = static_cast<std::int64_t>(data.size());
      return Cost{cost.alone_ps / bytes, cost.busy_ps / bytes};
    };
    set(Op::CopyByte, per_byte(cost_of([&] {
          return [&data, copy = Bytes()]() mutable {
            copy.clear();
            append(copy, data);
            g_sink = g_sink + copy[5];
          };
        })));
    set(Op::HashByte,
        per_byte(cost_of([&] { return [&data] { g_sink = g_sink + crypto::sha256(data).bytes[0]; }; })));
    set(Op::Mac, cost_of([&] {
          return [&data, key = std::make_shared<crypto::MacKey>(Span(data).first(32))] {
            g_sink = g_sink + key->mac(Span(data).first(256))[0];
          };
        }));
  }

  Status datagrams() {
    progress_.update("calibrating: datagrams");
    if (!DatagramPair().good())
      return failure(std::string("no datagram socket on 127.0.0.1: ") + std::strerror(errno));
    // The kernel delivers over the loopback inside the send call: about half of what it takes belongs to the receiver
    // on a real network, so both are charged their share of the round.
    Cost send, receive;
    const auto measure = [&] {
      DatagramPair pair;
      for (int round = 0; round < 2000 && !interrupted(); ++round) pair.round();
      send.alone_ps = std::exchange(send.busy_ps, pair.sent_ns * 1000 / std::max<std::int64_t>(pair.count, 1));
      receive.alone_ps =
          std::exchange(receive.busy_ps, pair.received_ns * 1000 / std::max<std::int64_t>(pair.count, 1));
      return send.busy_ps;
    };
    (void)alone_and_busy([] { return [pair = std::make_shared<DatagramPair>()] { pair->round(); }; }, measure);
    if (other_threads() == 0) send.alone_ps = send.busy_ps, receive.alone_ps = receive.busy_ps;
    set(Op::Send, send);
    set(Op::Receive, receive);
    set(Op::Forward, {send.alone_ps + receive.alone_ps, send.busy_ps + receive.busy_ps});
    return {};
  }

  Status signatures() {
    progress_.update("calibrating: signatures");
    const Bytes message(kMessageBytes, 3);
    const auto one = [&](crypto::Scheme scheme, Op sign, Op verify) -> Status {
      const auto key = crypto::PrivateKey::generate(scheme);
      if (!key) return std::unexpected(key.error());
      set(sign, cost_of([&] { return [&] { g_sink = g_sink + key->sign(message)[0]; }; }));
      const Bytes signature = key->sign(message);
      const auto known = key->public_key();
      set(verify, cost_of([&] { return [&] { g_sink = g_sink + (known.verify(message, signature) ? 1 : 0); }; }));
      return {};
    };
    if (Status good = one(crypto::Scheme::Rsa2048, Op::SignServer, Op::VerifyServer); !good) return good;
    return one(crypto::Scheme::Ed25519, Op::SignClient, Op::VerifyClient);
  }

  void execution() {
    progress_.update("calibrating: execution");
    struct Store {
      replication::kv::KvApplication application;
      std::uint32_t n = 0;
    };
    const Bytes value(200, 9);
    set(Op::Execute, cost_of([&] {
          return [&value, store = std::make_shared<Store>()] {
            const std::string key = "c" + std::to_string(store->n++ % 1000) + "-0";
            g_sink = g_sink + store->application.apply(ClientId(1), replication::kv::put(key, value)).size();
            store->application.settle();
          };
        }));
  }

  Status threshold(const crypto::SafePrimePair& primes, std::size_t k, std::size_t n) {
    progress_.update(fmt::format("calibrating: threshold signatures, {} of {}", k, n));
    if (interrupted()) return failure("interrupted");
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
    const Cost share = cost_of([&] { return [&] { g_sink = g_sink + dealt->shares[0].share(message)[0]; }; });
    const Cost prove =
        cost_of([&] { return [&] { g_sink = g_sink + dealt->shares[0].prove(message, random).proof[0]; }; });
    const Cost check = cost_of([&] {
      return [&] { g_sink = g_sink + (dealt->key.check_share(1, message, proven.share, proven.proof) ? 1 : 0); };
    });
    // `combine` verifies its result; the simulator charges that apart.
    const auto signature = dealt->key.combine(message, identified);
    if (!signature) return failure("the shares of a fresh threshold key do not combine");
    const Cost verify =
        cost_of([&] { return [&] { g_sink = g_sink + (dealt->key.verify(message, *signature) ? 1 : 0); }; });
    const Cost both =
        cost_of([&] { return [&] { g_sink = g_sink + dealt->key.combine(message, identified)->size(); }; });
    const Cost combine{std::max<std::int64_t>(both.alone_ps - verify.alone_ps, 0),
                       std::max<std::int64_t>(both.busy_ps - verify.busy_ps, 0)};
    costs.share_ps = share.busy_ps;
    costs.prove_ps = prove.busy_ps;
    costs.check_proof_ps = check.busy_ps;
    costs.combine_ps = combine.busy_ps;
    if (costs_.thresholds().empty()) {
      set(Op::VerifySite, verify);
      set(Op::Share, share);
      set(Op::Prove, prove);
      set(Op::CheckProof, check);
      set(Op::Combine, combine);
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
