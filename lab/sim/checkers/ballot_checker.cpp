#include "lab/sim/checkers/ballot_checker.hpp"

#include "lab/sim/checkers/order_checkers.hpp"
#include "steward/messages.hpp"

namespace seneschal::lab::sim {

void Ballots::on_sent(Instant, const Principal&, const SealedParts& parts) {
  if (!header_fits<steward::PrePrepare>(parts.header, 0)) return;
  const auto proposed = decode<steward::PrePrepare>(parts.body);
  if (!proposed) return;
  const ViewPair views(proposed->gv, proposed->lv);
  const auto [content, fresh] = contents_.try_emplace(replication::digest_of(proposed->batch));
  if (!fresh) {
    content->second.first = std::min(content->second.first, views);
    return;
  }
  content->second.first = views;
  content->second.bytes = replication::encoded_size(proposed->batch);
  for (const auto& update : proposed->batch.updates)
    content->second.updates.emplace_back(update.signer().client(), update.body.timestamp);
}

void Ballots::on_event(Instant at, const Principal& self, const Event& event) {
  if (!self.is_server()) return;
  Server& server = servers_[self.server()];
  if (event.kind == EventKind::UpdateDone && event.who.is_client())
    server.done[event.who.client()] = {event.timestamp, event.seq};
  else if (event.kind == EventKind::Executed || tells_state(event))
    server.executed = std::max(server.executed, event.seq);
  else if (event.kind == EventKind::Prepared)
    voted(at, self.server(), event);
}

void Ballots::voted(Instant at, ServerId id, const Event& event) {
  Server& server = servers_[id];
  const std::string where = "server " + to_string(id) + " votes at seq " + std::to_string(event.seq.value);
  if (event.seq <= server.executed || event.seq.value > server.executed.value + facts_.window)
    return fail(at, where + ", having executed " + std::to_string(server.executed.value) + ", with a window of " +
                        std::to_string(facts_.window));
  const auto found = contents_.find(event.digest);
  if (found == contents_.end()) return;  // its own, which is still to leave
  const ViewPair views(GlobalView(event.view), LocalView(event.sub_view));
  if (server.views != views) {
    server.views = views;
    server.named.clear();
  }
  const Content& content = found->second;
  if (content.first >= views)
    if (const auto what = wrong(server, content, event.seq)) fail(at, where + " for a batch " + *what);
  for (const Name& name : content.updates) server.named.emplace(name, event.seq);
}

std::optional<std::string> Ballots::wrong(const Server& server, const Content& content, Seq seq) const {
  if (content.updates.empty())  // `Unions` knows where a later view wants a no-op
    return server.views == ViewPair{} ? std::optional<std::string>("that is empty") : std::nullopt;
  if (content.updates.size() > facts_.batch_max) return "of " + std::to_string(content.updates.size()) + " updates";
  std::set<Name> seen;
  for (const Name& name : content.updates) {
    const std::string which =
        " timestamp " + std::to_string(name.second.value) + " of client " + std::to_string(name.first.value);
    if (name.second.value == 0) return "with" + which + ", which is a question";
    if (!seen.insert(name).second) return "with" + which + " twice";
    if (members_.left(name.first)) continue;
    const auto before = server.named.find(name);
    if (before != server.named.end() && before->second != seq && before->second + facts_.window > server.executed)
      return "with" + which + ", for which it voted at seq " + std::to_string(before->second.value);
    const auto done = server.done.find(name.first);
    if (done != server.done.end() && done->second.first >= name.second &&
        done->second.second.value + facts_.window <= seq.value)
      return "with" + which + ", which was executed long ago";
  }
  return std::nullopt;
}

}  // namespace seneschal::lab::sim
