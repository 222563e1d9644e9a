// Graphs that begin later than with the first update: what they cannot say, they do not say.
#include "graph_commands.hpp"

namespace seneschal::accountability {
namespace {

/// Client 3 lies in update 3, whose key nobody else writes. The first updates leave the graph, as with `graph_keep`,
/// or because the server took over a state: the lie is in the state that the graph begins with, at update `begin`.
struct Beheaded {
  Beheaded(const std::string& folder, bool transferred, bool drop = true) {
    auto writer = *StoreWriter::open(folder, {.payloads = true, .application = "kv"}, {});
    replication::kv::KvApplication state;
    for (std::uint64_t id = 1; id <= 15'000; ++id) {
      const bool lie = id == 3;
      const Bytes operation = replication::kv::put(lie ? "enemy" : "a", as_span(lie ? "3 km south" : "b"));
      NewUpdate update;
      update.client = ClientId(static_cast<std::uint32_t>((id - 1) % 5 + 1));
      update.seq = Seq(id);
      update.operation = operation;
      EXPECT_EQ(writer->add(update), UpdateId(id));
      (void)state.apply(update.client, operation);
      state.settle();
      if (id % 5000 != 0) continue;
      std::vector<Bytes> chunks;
      const auto frozen = state.freeze();
      for (std::size_t i = 0; i < frozen->chunks(); ++i) chunks.push_back(*frozen->chunk(i));
      if (transferred && id == begin - 1) {
        Snapshot taken{UpdateId(id), Seq(id), state.digest(), {}};
        for (Bytes& chunk : chunks) taken.chunks.items.push_back({std::move(chunk)});
        writer = *writer->begin_anew(taken, 0);
      } else {
        EXPECT_TRUE(writer->snapshot(Seq(id), std::move(chunks), state.digest()).has_value());
      }
    }
    EXPECT_TRUE(transferred || !drop || writer->drop_before(UpdateId(begin - 1)).has_value());
    EXPECT_TRUE(writer->seal().has_value());
  }
  static constexpr std::uint64_t begin = 10'001;
};

TEST_F(GraphCommands, AMarkBeforeTheGraphBeginsIsKeptAsGivenAndNothingIsCalledClean) {
  for (const bool transferred : {false, true}) {
    for (const std::string since : {" --since u3", " --since u10000", " --since 3", "", " --since u1"}) {
      fs::remove_all(folder_);
      const Beheaded graph_there(folder_, transferred);
      const std::string in = " --graph " + folder_, to = " --out " + folder_ + "/state";
      const auto unknown = [&](const std::string& command, const char* says) {
        const Ran ran = graph(command + in);
        EXPECT_EQ(ran.code, 3) << since << ": " << command << "\n" << ran.said;
        EXPECT_NE(ran.said.find(says), std::string::npos) << since << ": " << command << "\n" << ran.said;
        EXPECT_EQ(ran.said.find("NOT_AFFECTED"), std::string::npos) << since << ": " << command << "\n" << ran.said;
        EXPECT_EQ(ran.said.find("is not affected"), std::string::npos) << since << ": " << command << "\n"
                                                                       << ran.said;
      };
      EXPECT_EQ(graph("status" + in).code, 0);
      unknown("whatif --client 3" + since, "unknown before update 10001");
      unknown("mark --client 3" + since, "unknown before update 10001");
      unknown("status", "before the graph begins (update 10001)");
      unknown("status --json", "\"unknown_before_update\":10001");
      unknown("why 10001", "unknown before update 10001");
      unknown("blast 10001", "");
      unknown("clear 10001", "unknown before update 10001");
      unknown("whatif --client 4 --since u12000", "unknown before update 10001");
      unknown("risk", "unknown before update 10001");
      unknown("risk --by update", "");
      unknown("regenerate --clean" + to, "no clean state can be made");
      unknown("regenerate --with-suspects" + to, "no clean state can be made");
      EXPECT_FALSE(fs::exists(folder_ + "/state"));
      unknown("diff --clean", "no clean state can be made");
      unknown("export --json", "");
      unknown("export --dot", "");
      unknown("report --json", "\"unknown_before_update\":10001");
      EXPECT_NE(read(folder_ + "/incident.html").find("Unknown before update 10001"), std::string::npos);
      // What was said is what is taken back, and then everything can be told again.
      EXPECT_EQ(graph("mark --client 3 --withdraw" + since + in).code, 0) << since;
      EXPECT_EQ(graph("why 10001" + in).said, "update 10001 is not affected\n") << since;
      EXPECT_EQ(graph("mark --client 3 --since u10002" + in).code, 0);
      EXPECT_EQ(graph("regenerate --clean" + to + in).code, 0);
    }
  }
}

TEST_F(GraphCommands, AMarkThatTheGraphDroppedSinceIsNotForgotten) {
  const Beheaded graph_there(folder_, false, false);
  const std::string in = " --graph " + folder_;
  EXPECT_EQ(graph("mark --client 3 --since u2" + in).code, 0);
  auto writer = *StoreWriter::open(folder_, {.payloads = true, .application = "kv"}, {});
  ASSERT_TRUE(writer->drop_before(UpdateId(Beheaded::begin - 1)).has_value());
  writer.reset();
  const Ran status = graph("status" + in);
  EXPECT_EQ(status.code, 3);
  EXPECT_NE(status.said.find("client 3 is malicious since update 3, before the graph begins (update 10001)"),
            std::string::npos)
      << status.said;
}

TEST_F(GraphCommands, RiskOfAGraphThatBeginsLaterIsALowerBound) {
  const Beheaded graph_there(folder_, false);
  EXPECT_EQ(graph("risk --graph " + folder_).code, 3);
  EXPECT_EQ(graph("risk --by update --graph " + folder_).code, 0);
}

}  // namespace
}  // namespace seneschal::accountability
