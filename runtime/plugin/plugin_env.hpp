// Env on top of the plugin contract's host table, for replicas that live in a shared object.
#pragma once
#include "runtime/directory.hpp"
#include "runtime/env.hpp"
#include "runtime/plugin/contract.h"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>

namespace seneschal::plugin {

class PluginEnv : public Env {
 public:
  /// All references must outlive the environment; `self` owns `keys`. Clients that join or leave do so in
  /// `directory`.
  PluginEnv(const seneschal_host& host, Principal self, Directory& directory, const crypto::Keys& keys);
  ~PluginEnv() override;
  PluginEnv(const PluginEnv&) = delete;
  PluginEnv& operator=(const PluginEnv&) = delete;

  void send(std::span<const Destination> to, const SharedBytes& sealed) override;
  void append(Bytes record, Ticket ticket) override;
  void forget_before(Ticket ticket) override { host_.forget_before(host_.host, ticket.value); }
  void run(Job job, Ticket ticket) override;
  void charge(Op, std::uint64_t) override {}
  void wake_at(Instant at) override { deadline_ = at; }
  void event(const Event& event) override {
    if (on_event) on_event(event);
  }
  void accused(const Effects::Accuse& accusation) override;
  void enrolled(const EnrolledClient& client) override { directory_.add(client.info.id, client.node); }
  void dismissed(ClientId client) override { directory_.remove(client); }

  Instant now() const { return {host_.now(host_.host)}; }
  void log(int level, const std::string& text) const { host_.log(host_.host, level, text.c_str()); }
  /// The deadline has passed; the replica will say when it wants to be woken again.
  void clear_deadline() { deadline_ = Instant::never(); }
  Instant deadline() const { return std::min(deadline_, retry_at_); }
  /// The result of what `ticket` stood for (call when the host says done); nothing for a stale ticket.
  std::optional<JobResult> take_result(Ticket ticket);
  /// Joins the groups of a server.
  void join_groups(ServerId id);
  /// Datagrams that the host could not take.
  std::uint64_t dropped_sends() const { return dropped_sends_; }
  std::uint64_t accusations() const { return accusations_; }

  /// Called for each event; optional.
  std::function<void(const Event&)> on_event;

 private:
  struct Task {
    Job job;
    const crypto::Keys* keys;
    Principal self;
    Ticket ticket;
    JobResult result;
  };
  static void work(void* task);
  bool submit(Task& task);

  const seneschal_host& host_;
  Principal self_;
  Directory& directory_;
  const crypto::Keys& keys_;
  Instant deadline_ = Instant::never();
  std::map<Ticket, std::unique_ptr<Task>> tasks_;
  Instant retry_at_ = Instant::never();
  std::deque<Ticket> refused_;  // the pool was full; tried again when something finishes
  std::set<Ticket> appending_;
  std::vector<seneschal_target> targets_;
  std::uint64_t dropped_sends_ = 0;
  std::uint64_t accusations_ = 0;
};

}  // namespace seneschal::plugin
