#include "replication/kv.hpp"

#include "replication/applications.hpp"

#include <gtest/gtest.h>

namespace seneschal::replication::kv {
namespace {

const ClientId kClient(1);

Outcome run(Application& app, const Bytes& operation) {
  auto outcome = parse_result(app.apply(kClient, operation));
  EXPECT_TRUE(outcome.has_value());
  return outcome.value_or(Outcome(Refused{}));
}
Bytes text(std::string_view t) {
  return to_bytes(t);
}

TEST(Kv, PutsGetsAndDeletes) {
  KvApplication app;
  EXPECT_EQ(run(app, put("a", as_span("1"))), Outcome(Written{false}));
  EXPECT_EQ(run(app, put("a", as_span("2"))), Outcome(Written{true}));
  EXPECT_EQ(run(app, get("a")), Outcome(Found{Value{text("2")}}));
  EXPECT_EQ(run(app, get("b")), Outcome(Found{}));
  EXPECT_EQ(run(app, remove("a")), Outcome(Written{true}));
  EXPECT_EQ(run(app, remove("a")), Outcome(Written{false}));
  EXPECT_EQ(run(app, get("a")), Outcome(Found{}));
}

TEST(Kv, ComparesAndSets) {
  KvApplication app;
  EXPECT_EQ(run(app, compare_and_set("a", std::nullopt, text("1"))), Outcome(Swapped{true, {}}));
  EXPECT_EQ(run(app, compare_and_set("a", std::nullopt, text("2"))), Outcome(Swapped{false, Value{text("1")}}));
  EXPECT_EQ(run(app, compare_and_set("a", text("0"), text("2"))), Outcome(Swapped{false, Value{text("1")}}));
  EXPECT_EQ(run(app, compare_and_set("a", text("1"), text("2"))), Outcome(Swapped{true, {}}));
  EXPECT_EQ(run(app, compare_and_set("a", text("2"), std::nullopt)), Outcome(Swapped{true, {}}));
  EXPECT_EQ(app.size(), 0u);
  EXPECT_EQ(run(app, compare_and_set("a", text("2"), text("3"))), Outcome(Swapped{false, {}}));
}

TEST(Kv, ScansInOrderWithinBounds) {
  KvApplication app;
  for (char c = 'a'; c <= 'e'; ++c) run(app, put(std::string(1, c), as_span("v")));
  auto middle = std::get<Entries>(run(app, scan("b", "d")));
  ASSERT_EQ(middle.entries.size(), 2u);
  EXPECT_EQ(middle.entries.items[0].key.value, text("b"));
  EXPECT_FALSE(middle.more);
  auto two = std::get<Entries>(run(app, scan("", std::nullopt, 2)));
  EXPECT_EQ(two.entries.size(), 2u);
  EXPECT_TRUE(two.more);
  auto none = std::get<Entries>(run(app, scan("x", std::nullopt)));
  EXPECT_TRUE(none.entries.empty());
  EXPECT_FALSE(none.more);
}

TEST(Kv, ScanResultsFitIntoAReply) {
  KvApplication app;
  for (int i = 0; i < 40; ++i) run(app, put("key" + std::to_string(i), Bytes(kMaxValue, 'x')));
  Bytes result = app.apply(kClient, scan("", std::nullopt));
  EXPECT_LE(result.size(), kMaxResult);
  EXPECT_TRUE(std::get<Entries>(*parse_result(result)).more);
}

TEST(Kv, RefusesMalformedOperationsWithAResult) {
  KvApplication app;
  EXPECT_EQ(run(app, {}), Outcome(Refused{Problem::Malformed}));
  EXPECT_EQ(run(app, {0x09, 0x01}), Outcome(Refused{Problem::Malformed}));
  Bytes trailing = get("a");
  trailing.push_back(0);
  EXPECT_EQ(run(app, trailing), Outcome(Refused{Problem::Malformed}));
  EXPECT_EQ(run(app, put(std::string(kMaxKey + 1, 'k'), {})), Outcome(Refused{Problem::Malformed}));
  EXPECT_EQ(run(app, put("k", Bytes(kMaxValue + 1, 'x'))), Outcome(Refused{Problem::Malformed}));
}

TEST(Kv, QueriesDoNotWrite) {
  KvApplication app;
  run(app, put("a", as_span("1")));
  Digest before = app.digest();
  EXPECT_EQ(*parse_result(app.query(get("a"))), Outcome(Found{Value{text("1")}}));
  EXPECT_EQ(*parse_result(app.query(put("a", as_span("2")))), Outcome(Refused{Problem::WouldWrite}));
  EXPECT_EQ(*parse_result(app.query(remove("a"))), Outcome(Refused{Problem::WouldWrite}));
  EXPECT_EQ(app.digest(), before);
  EXPECT_TRUE(is_read_only(get("a")));
  EXPECT_FALSE(is_read_only(put("a", {})));
}

TEST(Kv, StaysWithinItsLimits) {
  KvApplication app({.max_entries = 2, .max_bytes = 10});
  EXPECT_EQ(run(app, put("a", as_span("1234"))), Outcome(Written{false}));
  EXPECT_EQ(run(app, put("b", as_span("12345"))), Outcome(Refused{Problem::Full}));
  EXPECT_EQ(run(app, put("b", as_span("1234"))), Outcome(Written{false}));
  EXPECT_EQ(run(app, put("a", as_span("4321"))), Outcome(Written{true}));  // takes the old one's room
  EXPECT_EQ(run(app, put("c", {})), Outcome(Refused{Problem::Full}));
  EXPECT_EQ(run(app, compare_and_set("c", std::nullopt, Bytes{})), Outcome(Refused{Problem::Full}));
}

TEST(Kv, DigestDependsOnTheStateOnly) {
  KvApplication one, other;
  run(one, put("a", as_span("1")));
  run(one, put("b", as_span("2")));
  run(other, put("b", as_span("x")));
  run(other, put("b", as_span("2")));
  run(other, put("a", as_span("1")));
  EXPECT_EQ(one.digest(), other.digest());
  run(other, put("ab", as_span("")));
  Digest with_ab = other.digest();
  EXPECT_NE(one.digest(), with_ab);
  run(other, remove("ab"));
  EXPECT_EQ(one.digest(), other.digest());
  run(other, put("a", as_span("b")));  // key and value are kept apart
  EXPECT_NE(other.digest(), with_ab);
}

TEST(Kv, RestoresSnapshotsAndRefusesDamagedOnes) {
  KvApplication app;
  for (int i = 0; i < 20; ++i) run(app, put("key" + std::to_string(i), as_span("value")));
  Bytes snapshot = app.snapshot();
  KvApplication copy;
  ASSERT_TRUE(copy.restore(snapshot).has_value());
  EXPECT_EQ(copy.digest(), app.digest());
  EXPECT_EQ(copy.snapshot(), snapshot);
  Digest before = copy.digest();
  for (std::size_t size = 0; size < snapshot.size(); ++size)
    EXPECT_FALSE(copy.restore(Span(snapshot).first(size)).has_value()) << size;
  Bytes longer = snapshot;
  longer.push_back(0);
  EXPECT_FALSE(copy.restore(longer).has_value());
  Bytes repeated = KvApplication().snapshot();
  repeated.back() = 2;
  Bytes entry = {0, 0, 0, 1, 'a', 0, 0, 0, 0};
  append(repeated, entry);
  append(repeated, entry);
  EXPECT_FALSE(copy.restore(repeated).has_value());
  EXPECT_EQ(copy.digest(), before);
}

TEST(Kv, PrintsResults) {
  EXPECT_EQ(print_result(encode(Outcome(Written{true}))), "done (replaced)");
  EXPECT_EQ(print_result(encode(Outcome(Found{Value{text("hi\n")}}))), "\"hi\\x0a\"");
  EXPECT_EQ(print_result(encode(Outcome(Found{}))), "no such key");
  EXPECT_NE(print_result(Bytes{77}).find("unreadable"), std::string::npos);
  EXPECT_EQ(print_operation(put("k", as_span("v"))), "put \"k\" \"v\"");
}

TEST(Applications, AreMadeByName) {
  EXPECT_TRUE(make_application("kv").has_value());
  auto null = make_application("null");
  ASSERT_TRUE(null.has_value());
  Digest empty = (*null)->digest();
  EXPECT_TRUE((*null)->apply(kClient, text("anything")).empty());
  EXPECT_NE((*null)->digest(), empty);
  (*null)->undo();
  EXPECT_EQ((*null)->digest(), empty);
  auto wrong = make_application("sqll");
  ASSERT_FALSE(wrong.has_value());
  EXPECT_NE(wrong.error().message.find("\"kv\""), std::string::npos);
}

}  // namespace
}  // namespace seneschal::replication::kv
