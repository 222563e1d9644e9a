#include "lab/sim/checkers/graph_checker.hpp"

namespace seneschal::lab::sim {

using namespace accountability;

GraphChecker::Built::Built() : builder(std::make_unique<Builder>(nullptr)) {
  ingest = std::make_unique<Ingest>(Source::Conservative, [b = builder.get()](const NewUpdate& update) {
    return b->add(update.client, update.seq, update.formula);
  });
}

void GraphChecker::on_applied(Instant at, ServerId server, ClientId client, Span operation, Span result) {
  if (holes_.contains(server)) return;
  Built& built = built_[server];
  const Seq position(built.ingest->taken() + 1);
  (void)built.ingest->take({position, client, operation, {}, operation, result});
  const std::uint64_t count = built.ingest->taken();
  if (count % kEvery != 0) return;
  const Digest digest = built.builder->digest();
  const auto [known, first] = expected_.emplace(count, std::pair(digest, std::size_t{0}));
  if (known->second.first != digest)
    return fail(at, "server " + to_string(server) + " has another graph after " + std::to_string(count) + " updates");
  std::size_t correct = 0;
  for (const SiteInfo& site : facts_.membership.sites) correct += site.servers;
  correct -= facts_.byzantine.size() + holes_.size();
  if (++known->second.second >= correct) expected_.erase(known);
}

}  // namespace seneschal::lab::sim
