#include "lab/tables.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>

namespace seneschal::lab {

using Json = nlohmann::ordered_json;

const char* const kCsvHeader =
    "experiment,series,runtime,setting,protocol,topology,sites,servers,f,clients,update_percent,bandwidth_mbps,"
    "payload_bytes,batch_max,fanout,auth,seed,duration_s,throughput_ops,latency_mean_ms,latency_p50_ms,"
    "latency_p90_ms,latency_p99_ms,latency_floor_ms,wan_bytes_per_op,wan_messages_per_op,link_use_max,"
    "cpu_ms_per_op,cpu_busy_max,view_changes_local,view_changes_global,safety,fidelity,"
    "application,delivery,window,durability,checkpoint_interval,log_growth_kb,accountability,graph_source,"
    "graph_epoch,graph_keep,site_bits,server_bits,shaped,one_host,host_cores,costs";

namespace {

/// RFC 4180: quoted if need be.
std::string cell(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}
std::string cell(std::optional<double> value) {
  return value ? fmt::format("{:.6g}", *value) : "";
}
std::string cell(std::optional<std::uint64_t> value) {
  return value ? std::to_string(*value) : "";
}

/// The least bandwidth between sites; 0 if no link is limited.
double least_mbps(const Series& series) {
  std::uint64_t least = 0;
  for (const auto& link : series.topology.links)
    if (link && link->bandwidth_bps != 0 && (least == 0 || link->bandwidth_bps < least)) least = link->bandwidth_bps;
  return series.runtime == RuntimeKind::Live && !series.shaped ? 0 : static_cast<double>(least) / 1e6;
}

/// A percentage as the fraction that the CSV holds.
std::optional<double> fraction(std::optional<double> percent) {
  return percent ? std::optional(*percent / 100) : std::nullopt;
}

Json json_of(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}
Json json_of(const std::optional<std::uint64_t>& value) {
  return value ? Json(*value) : Json(nullptr);
}
Json json_of(const Estimate& e) {
  return {{"mean", e.mean}, {"interval_95", json_of(e.half_width)}};
}

Json json_of(const Fidelity& fidelity) {
  Json links = Json::array();
  for (const LinkFidelity& link : fidelity.links)
    links.push_back({{"from", link.from + 1},
                     {"to", link.to + 1},
                     {"delay_ms", link.delay_ms},
                     {"delay_error_p50_ms", link.error_p50_ms},
                     {"delay_error_p99_ms", link.error_p99_ms},
                     {"bandwidth_error_percent", json_of(link.bandwidth_error_percent)},
                     {"receive_drops", link.receive_drops}});
  return {{"verdict", fidelity.valid() ? "VALID" : "INVALID"},
          {"steal_percent", fidelity.steal_percent},
          {"foreign_percent", fidelity.foreign_percent},
          {"breaches", fidelity.breaches},
          {"links", links}};
}

Json json_of(const Point& point) {
  const Series& s = *point.series;
  Json json = {{"series", s.id},
               {"runtime", to_string(s.runtime)},
               {"setting", s.setting},
               {"protocol", to_string(s.protocol)},
               {"topology", s.topology.name},
               {"sites", s.sites()},
               {"servers", s.servers},
               {"f", s.faults},
               {"clients", point.clients},
               {"update_percent", s.update_percent},
               {"payload_bytes", s.payload_bytes},
               {"batch_max", s.options.batch_max},
               {"durability", s.options.durability},
               {"seeds", point.seeds},
               {"latency_floor_ms", point.latency_floor_ms},
               {"safety", point.safety},
               {"fidelity", point.fidelity ? json_of(*point.fidelity) : Json(point.fidelity_word())},
               {"wall_s", point.wall_s}};
  if (!point.measured()) {
    json["problem"] = point.problem;
    return json;
  }
  json["operations"] = point.operations;
  json["throughput_ops"] = json_of(point.throughput);
  json["latency_mean_ms"] = json_of(point.latency_mean_ms);
  json["latency_p50_ms"] = point.latency_p50_ms;
  json["latency_p90_ms"] = point.latency_p90_ms;
  json["latency_p99_ms"] = point.latency_p99_ms;
  json["latency_max_ms"] = point.latency_max_ms;
  json["wan_bytes_per_op"] = json_of(point.wan_bytes_per_op);
  json["wan_messages_per_op"] = json_of(point.wan_messages_per_op);
  json["link_use_max"] = json_of(fraction(point.link_use_max_percent));
  json["goodput"] = json_of(fraction(point.goodput_percent));
  json["cpu_ms_per_op"] = json_of(point.cpu_ms_per_op);
  json["cpu_busy_max"] = json_of(fraction(point.cpu_busy_percent));
  if (point.graph_cpu_percent) {
    json["graph_cpu_percent"] = *point.graph_cpu_percent;
    json["graph_thread_percent"] = json_of(point.graph_thread_percent);
    json["graph_cpu_ms_per_op"] = json_of(point.graph_cpu_ms_per_op());
  }
  json["view_changes_local"] = json_of(point.view_changes_local);
  json["view_changes_global"] = json_of(point.view_changes_global);
  if (s.runtime == RuntimeKind::Sim) {
    json["sim_us_per_message"] = json_of(point.sim_us_per_message);
    json["sim_wall_per_virtual_minute_s"] = json_of(point.sim_wall_per_minute_s);
    json["trace"] = point.trace;
  }
  if (!point.recoveries.empty()) {
    Json list = Json::array();
    for (const Recovery& r : point.recoveries)
      list.push_back({{"what", r.label},
                      {"at_s", r.at_s},
                      {"service_s", json_of(r.service_s)},
                      {"nine_tenths_s", json_of(r.full_s)},
                      {"bound_s", json_of(r.bound_s)},
                      {"bound", r.bound_text},
                      {"throughput_after", r.throughput_after}});
    json["recoveries"] = list;
    json["throughput_every_half_second"] = point.timeline;
  }
  Json histogram = Json::array();
  for (const auto& [bound, count] : point.histogram.buckets) histogram.push_back({bound, count});
  json["latency_histogram_ms"] = histogram;
  return json;
}

}  // namespace

std::string to_csv(const Results& results) {
  std::string text = std::string(kCsvHeader) + "\n";
  for (const Point& p : results.points) {
    if (!p.measured()) continue;
    const Series& s = *p.series;
    const bool steward = s.protocol == Protocol::Steward;
    const ProtocolOptions& o = s.options;
    const bool sim = s.runtime == RuntimeKind::Sim;
    const std::string cells[] = {cell(results.experiment.name),
                                 cell(s.id),
                                 cell(to_string(s.runtime)),
                                 cell(s.setting),
                                 cell(to_string(s.protocol)),
                                 cell(s.topology.name),
                                 std::to_string(s.sites()),
                                 std::to_string(s.server_count()),
                                 std::to_string(s.faults),
                                 std::to_string(p.clients),
                                 std::to_string(s.update_percent),
                                 cell(std::optional(least_mbps(s))),
                                 std::to_string(s.payload_bytes),
                                 std::to_string(s.options.batch_max),
                                 steward ? s.options.fanout : "",
                                 steward ? "signatures" : s.options.auth,
                                 fmt::format("{}", fmt::join(p.seeds, "+")),
                                 cell(std::optional(to_seconds(s.measure))),
                                 cell(std::optional(p.throughput.mean)),
                                 cell(std::optional(p.latency_mean_ms.mean)),
                                 cell(std::optional(p.latency_p50_ms)),
                                 cell(std::optional(p.latency_p90_ms)),
                                 cell(std::optional(p.latency_p99_ms)),
                                 cell(std::optional(p.latency_floor_ms)),
                                 cell(p.wan_bytes_per_op),
                                 cell(p.wan_messages_per_op),
                                 cell(fraction(p.link_use_max_percent)),
                                 cell(p.cpu_ms_per_op),
                                 cell(fraction(p.cpu_busy_percent)),
                                 cell(p.view_changes_local),
                                 cell(p.view_changes_global),
                                 cell(p.safety),
                                 cell(p.fidelity_word()),
                                 cell(o.application),
                                 cell(o.delivery),
                                 std::to_string(o.window),
                                 cell(o.durability),
                                 std::to_string(o.checkpoint_interval),
                                 std::to_string(o.log_growth_kb),
                                 o.accountability ? "true" : "false",
                                 o.accountability ? o.graph_source : "",
                                 o.accountability ? std::to_string(o.graph_epoch) : "",
                                 o.accountability ? std::to_string(o.graph_keep) : "",
                                 std::to_string(s.keys.site_bits),
                                 std::to_string(s.keys.server_bits),
                                 sim ? "" : (s.shaped ? "true" : "false"),
                                 sim ? (s.one_host ? "true" : "false") : "",
                                 sim ? std::to_string(s.host_cores) : "",
                                 cell(sim ? std::filesystem::path(s.costs).filename().string() : "")};
    text += fmt::format("{}\n", fmt::join(cells, ","));
  }
  return text;
}

std::string to_json(const Results& results, const std::vector<Verdict>& verdicts) {
  const Experiment& e = results.experiment;
  Json json = {{"experiment", e.name},
               {"title", e.title},
               {"started", results.started},
               {"build", results.build},
               {"host", results.host}};
  Json figures = Json::array();
  for (const Verdict& v : verdicts)
    figures.push_back({{"title", v.title},
                       {"where", v.where},
                       {"measured", v.measured},
                       {"asked", v.asked},
                       {"outcome", to_string(v.outcome)},
                       {"remark", v.remark}});
  json["figures"] = figures;
  Json points = Json::array();
  for (const Point& point : results.points) points.push_back(json_of(point));
  json["points"] = points;
  // Text that came from outside may hold anything; replace what is not UTF-8 rather than fail.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace seneschal::lab
