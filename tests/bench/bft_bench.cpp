// How much processor time the flat baseline needs per operation: four replicas and their clients with real keys in
// one thread, datagrams handed over in memory. No system calls: what a host adds is not in here.
//
//   bft_bench [clients] [operations] [payload] [mac|signatures]
#include "bft/bft_core.hpp"
#include "crypto/key_ring.hpp"
#include "replication/applications.hpp"
#include "replication/workload.hpp"
#include "runtime/replica.hpp"

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>

namespace seneschal {
namespace {

Instant processor_time() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return {std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec};
}

Instant wall_time() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return {std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec};
}

class World;

struct Member final : Env {
  World* world = nullptr;
  Principal self;
  std::unique_ptr<crypto::KeyRing> keys;
  std::unique_ptr<Core> core;
  std::unique_ptr<Replica> replica;
  Instant wake = Instant::never();

  void send(std::span<const Destination> to, const SharedBytes& sealed) override;
  void append(Bytes, Ticket) override {}
  void run(Job job, Ticket ticket) override;
  void charge(Op, std::uint64_t) override {}
  void wake_at(Instant at) override { wake = at; }
  void event(const Event&) override {}
  void accused(const Effects::Accuse&) override {}
};

class World {
 public:
  World(std::uint32_t clients, std::uint32_t payload, bft::Auth auth) : clients_(clients) {
    dir_ = std::filesystem::temp_directory_path() / ("bft_bench." + std::to_string(std::rand()));
    std::filesystem::remove_all(dir_);
    membership_.deployment = DeploymentId(1);
    membership_.sites = {{4, 1}};
    crypto::KeyPlan plan;
    plan.deployment = membership_.deployment;
    plan.sites = {{SiteId(0), 4, 1, false}};
    plan.server_scheme = crypto::Scheme::Ed25519;
    for (std::uint32_t c = 1; c <= clients; ++c) {
      membership_.clients.push_back({ClientId(c), SiteId(0)});
      plan.clients.push_back({ClientId(c), SiteId(0)});
    }
    if (auto made = crypto::generate_keys(plan, dir_); !made) fail(made.error().message);
    bft::Settings settings;
    settings.auth = auth;
    for (std::uint16_t i = 0; i < 4; ++i) {
      auto core =
          std::make_unique<bft::BftCore>(ServerIndex(i), membership_, settings, *replication::make_application("kv"));
      add(Principal::of(ServerId{SiteId(0), ServerIndex(i)}), std::move(core), bft::BftCore::message_table());
    }
    AuthKind kind = auth == bft::Auth::Mac ? AuthKind::Authenticator : AuthKind::Signature;
    for (std::uint32_t c = 1; c <= clients; ++c) {
      replication::WorkloadSettings workload;
      workload.payload = payload;
      auto core = std::make_unique<replication::WorkloadCore>(
          membership_, replication::ClientSettings::bft(ClientId(c), membership_, kind), workload);
      add(Principal::of(ClientId(c)), std::move(core), replication::ClientCore::message_table());
    }
  }
  ~World() { std::filesystem::remove_all(dir_); }

  Member& member(const Principal& who) {
    return who.is_server() ? *members_[who.value & 0xffff] : *members_[3 + who.value];
  }
  void post(Member& to, const SharedBytes& bytes) { queue_.push_back({&to, bytes, {}, {}}); }
  void post(Member& to, Ticket ticket, JobResult result) {
    queue_.push_back({&to, nullptr, ticket, std::move(result)});
  }

  std::uint64_t completed() {
    std::uint64_t sum = 0;
    for (std::uint32_t c = 1; c <= clients_; ++c) {
      auto& load = static_cast<replication::WorkloadCore&>(*member(Principal::of(ClientId(c))).core);
      load.take_completions();
      sum += load.completed();
    }
    return sum;
  }
  void run(std::uint64_t operations) {
    for (auto& m : members_) m->replica->start(wall_time(), {});
    drain_until(operations / 10);
    std::uint64_t before = completed(), delivered = deliveries_;
    Instant start = processor_time();
    drain_until(operations);
    Duration took = processor_time() - start;
    std::uint64_t done = completed() - before;
    std::printf("clients=%u operations=%llu cpu_us_per_op=%.2f ops_per_s_on_one_core=%.0f datagrams_per_op=%.1f\n",
                clients_, static_cast<unsigned long long>(done), to_seconds(took) * 1e6 / static_cast<double>(done),
                static_cast<double>(done) / to_seconds(took),
                static_cast<double>(deliveries_ - delivered) / static_cast<double>(done));
  }

 private:
  struct Item {
    Member* to;
    SharedBytes bytes;
    Ticket ticket;
    JobResult result;
  };
  [[noreturn]] static void fail(const std::string& message) {
    std::fprintf(stderr, "bft_bench: %s\n", message.c_str());
    std::exit(1);
  }
  void add(Principal who, std::unique_ptr<Core> core, MessageTable table) {
    auto m = std::make_unique<Member>();
    m->world = this;
    m->self = who;
    auto keys = crypto::KeyRing::load(dir_, who);
    if (!keys) fail(keys.error().message);
    m->keys = std::move(*keys);
    m->core = std::move(core);
    m->replica = std::make_unique<Replica>(who, membership_, std::move(table), *m->core, *m->keys, *m);
    members_.push_back(std::move(m));
  }
  void drain_until(std::uint64_t operations) {
    for (std::uint64_t step = 0;; ++step) {
      if (step % 1024 == 0 && completed() >= operations) return;
      Instant now = wall_time();
      if (queue_.empty() || step % 64 == 0)
        for (auto& m : members_)
          if (m->wake <= now) {
            m->wake = Instant::never();
            m->replica->on_time(now);
          }
      if (queue_.empty()) continue;
      Item item = std::move(queue_.front());
      queue_.pop_front();
      if (item.bytes != nullptr) {
        ++deliveries_;
        item.to->replica->on_datagram(now, item.bytes);
      } else {
        item.to->replica->on_done(now, item.ticket, std::move(item.result));
      }
    }
  }

  std::uint32_t clients_;
  std::filesystem::path dir_;
  Membership membership_;
  std::vector<std::unique_ptr<Member>> members_;
  std::deque<Item> queue_;
  std::uint64_t deliveries_ = 0;
};

void Member::send(std::span<const Destination> to, const SharedBytes& sealed) {
  for (const Destination& d : to) {
    if (d.kind == Destination::Kind::Client) {
      world->post(world->member(Principal::of(d.client)), sealed);
    } else if (d.kind == Destination::Kind::Server) {
      world->post(world->member(Principal::of(d.server)), sealed);
    } else {
      for (std::uint16_t i = 0; i < 4; ++i)
        if (Principal who = Principal::of(ServerId{SiteId(0), ServerIndex(i)}); who != self)
          world->post(world->member(who), sealed);
    }
  }
}

void Member::run(Job job, Ticket ticket) {
  world->post(*this, ticket, perform(job, *keys, self));
}

}  // namespace
}  // namespace seneschal

int main(int argc, char** argv) {
  auto number = [&](int i, unsigned long fallback) {
    return argc > i ? std::strtoul(argv[i], nullptr, 10) : fallback;
  };
  bool signatures = argc > 4 && std::string_view(argv[4]) == "signatures";
  seneschal::World world(static_cast<std::uint32_t>(number(1, 30)), static_cast<std::uint32_t>(number(3, 200)),
                         signatures ? seneschal::bft::Auth::Signatures : seneschal::bft::Auth::Mac);
  world.run(number(2, 100'000));
}
