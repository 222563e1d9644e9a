// What stands behind Steward's order: prepares behind shares, shares behind site signatures, site signatures of a
// majority behind every ordered entry.
#pragma once
#include "lab/sim/checkers/checker.hpp"

#include <map>
#include <tuple>
#include <unordered_map>

namespace seneschal::lab::sim {

class SiteSignatures final : public Checker {
 public:
  using Checker::Checker;
  std::string_view property() const override { return "certificates"; }
  void on_sent(Instant at, const Principal& from, const SealedParts& parts) override;
  void on_share(Instant at, ServerId server, Span message) override;
  void on_site_signed(Instant at, SiteId site, Span message) override;
  void on_event(Instant at, const Principal& self, const Event& event) override;

 private:
  using Voters = std::set<ServerIndex>;
  /// Site, global view, local view, seq, digest.
  using PrepareKey = std::tuple<SiteId, GlobalView, LocalView, Seq, Digest>;
  struct Entry {  // of one seq
    std::map<GlobalView, std::map<Digest, SiteId>> proposals;
    std::map<GlobalView, std::map<SiteId, Digest>> accepts;
  };

  void check_prepared(Instant at, ServerId server, const PrepareKey& key);
  void check_proposed(Instant at, ServerId server, GlobalView gv, Seq seq, const Digest& digest);
  void check_survival(Instant at, Seq seq);
  static std::size_t sites_behind(const Entry& entry, GlobalView gv, const Digest& digest);
  bool majority_behind(Seq seq, const Digest& digest) const;
  bool enough(SiteId site, const Voters& voters) const;

  std::map<PrepareKey, Voters> prepared_;
  std::unordered_map<std::uint64_t, Voters> shared_;  // by hash of site and message; looked up only
  std::map<Seq, Entry> entries_;
  std::set<Digest> signed_;  // hashes of unsigned messages
};

}  // namespace seneschal::lab::sim
