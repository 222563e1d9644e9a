#include "emulator/cost_model.hpp"

#include "emulator/toml_file.hpp"

#include <algorithm>
#include <optional>

namespace seneschal::emulator {

namespace {

constexpr std::int64_t kPsPerNs = 1000;
constexpr std::int64_t kPsPerUs = 1'000'000;
/// One second: no single piece of work may cost more.
constexpr Range kCostRange{0, 1'000'000 * kPsPerUs};
constexpr std::uint32_t kMaxServers = 1024;
constexpr std::uint32_t kMaxKeyBits = 16384;
constexpr std::uint32_t kMaxSignatureBytes = 4096;

bool is_threshold(Op op) {
  return op == Op::Share || op == Op::Prove || op == Op::CheckProof || op == Op::Combine;
}

/// `name_us` or `name_ns`, exactly one of them.
std::int64_t read_cost(const TomlTable& table, const std::string& name) {
  const std::string us = name + "_us";
  const std::string ns = name + "_ns";
  const bool has_us = table.has(us);
  const bool has_ns = table.has(ns);
  if (has_us && has_ns) table.fail(ns, "'" + us + "' and '" + ns + "' are both given; expected one of them");
  if (!has_us && !has_ns)
    table.fail("", "the cost '" + us + "' is missing; expected microseconds per piece of work (or '" + ns +
                       "'; 0 if it shall be free)");
  if (has_ns) return table.scaled(ns, kPsPerNs, 0, kCostRange);
  return table.scaled(us, kPsPerUs, 0, kCostRange);
}

std::uint32_t read_count(const TomlTable& table, std::string_view key, std::uint32_t low, std::uint32_t high) {
  return static_cast<std::uint32_t>(table.integer(key, Range{low, high}));
}

ThresholdCosts read_threshold(const TomlTable& table) {
  ThresholdCosts entry;
  entry.k = read_count(table, "k", 1, kMaxServers);
  entry.n = read_count(table, "n", 1, kMaxServers);
  entry.bits = read_count(table, "bits", 512, kMaxKeyBits);
  if (entry.k > entry.n)
    table.fail("k", "'k' is " + std::to_string(entry.k) + " and 'n' " + std::to_string(entry.n) +
                        "; expected no more shares needed than there are");
  entry.share_ps = read_cost(table, "share");
  entry.prove_ps = read_cost(table, "prove");
  entry.check_proof_ps = read_cost(table, "check_proof");
  entry.combine_ps = read_cost(table, "combine");
  return entry;
}

/// Picoseconds as decimal digits of `unit`, without floating point.
std::string decimal(std::int64_t ps, std::int64_t unit) {
  std::string text = std::to_string(ps / unit);
  if (ps % unit == 0) return text;
  std::string fraction = std::to_string(unit + ps % unit).substr(1);
  while (fraction.ends_with('0')) fraction.pop_back();
  return text + "." + fraction;
}

std::string cost_line(std::string_view name, std::int64_t ps) {
  const bool small = ps % kPsPerUs != 0 && ps < kPsPerUs;
  return std::string(name) + (small ? "_ns = " : "_us = ") + decimal(ps, small ? kPsPerNs : kPsPerUs) + "\n";
}

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out += std::string("\\") + c;
    else if (c == '\n')
      out += "\\n";
    else if (code >= 0x20 && code != 0x7f)
      out += c;
  }
  return out;
}

CostModel read_model(const TomlTable& root) {
  CostModel model;
  model.description = root.text("description", "");
  const TomlTable costs = root.table("costs");
  if (!root.has("costs"))
    root.fail("", "the table [costs] is missing; expected the costs of all kinds of work in it");
  for (std::size_t i = 0; i < kOpCount; ++i) {
    const Op op = static_cast<Op>(i);
    if (!is_threshold(op)) model.set_picoseconds(op, read_cost(costs, std::string(to_string(op))));
  }
  const auto entries = root.tables("threshold");
  if (entries.empty())
    root.fail("threshold",
              "no threshold costs are given; expected at least one [[threshold]] with k, n, bits and costs");
  for (const TomlTable& table : entries) {
    const ThresholdCosts entry = read_threshold(table);
    for (const ThresholdCosts& other : model.thresholds())
      if (other.k == entry.k && other.n == entry.n)
        table.fail("", "the shape (" + std::to_string(entry.k) + " of " + std::to_string(entry.n) +
                           ") is given twice; expected each once");
    model.set_threshold(entry);
  }
  const TomlTable sizes = root.table("sizes");
  if (!root.has("sizes")) root.fail("", "the table [sizes] is missing; expected bytes: server, client, site, mac");
  model.sizes.server = read_count(sizes, "server", 0, kMaxSignatureBytes);
  model.sizes.client = read_count(sizes, "client", 0, kMaxSignatureBytes);
  model.sizes.site = read_count(sizes, "site", 0, kMaxSignatureBytes);
  model.sizes.mac = read_count(sizes, "mac", 0, kMaxSignatureBytes);
  return model;
}

Result<CostModel> read_costs(Result<TomlFile> file) {
  if (!file) return std::unexpected(file.error());
  CostModel model = read_model(file->root());
  if (Status good = file->finish(); !good) return std::unexpected(good.error());
  return model;
}

}  // namespace

void CostModel::set_threshold(const ThresholdCosts& entry) {
  const auto shape = [](const ThresholdCosts& e) { return std::pair(e.n, e.k); };
  const auto it = std::ranges::lower_bound(thresholds_, shape(entry), {}, shape);
  if (it != thresholds_.end() && shape(*it) == shape(entry))
    *it = entry;
  else
    thresholds_.insert(it, entry);
  *this = for_threshold(thresholds_.front().k, thresholds_.front().n);
}

CostModel CostModel::for_threshold(std::uint32_t k, std::uint32_t n) const {
  CostModel model = *this;
  const ThresholdCosts* best = nullptr;
  for (const ThresholdCosts& entry : thresholds_) {
    if (entry.k == k && entry.n == n) {
      best = &entry;
      break;
    }
    const bool better = best == nullptr || (best->k < k ? entry.k > best->k : entry.k >= k && entry.k < best->k);
    if (better) best = &entry;
  }
  if (best == nullptr) return model;
  std::int64_t combine = best->combine_ps;
  if (k > best->k) combine = combine * k / best->k;
  model.set_picoseconds(Op::Share, best->share_ps);
  model.set_picoseconds(Op::Prove, best->prove_ps);
  model.set_picoseconds(Op::CheckProof, best->check_proof_ps);
  model.set_picoseconds(Op::Combine, combine);
  return model;
}

std::string CostModel::to_toml() const {
  std::string text = "description = \"" + escaped(description) + "\"\n\n[costs]\n";
  for (std::size_t i = 0; i < kOpCount; ++i) {
    const Op op = static_cast<Op>(i);
    if (!is_threshold(op)) text += cost_line(to_string(op), picoseconds_[i]);
  }
  text += "\n[sizes]\nserver = " + std::to_string(sizes.server) + "\nclient = " + std::to_string(sizes.client) +
          "\nsite = " + std::to_string(sizes.site) + "\nmac = " + std::to_string(sizes.mac) + "\n";
  for (const ThresholdCosts& entry : thresholds_) {
    text += "\n[[threshold]]\nk = " + std::to_string(entry.k) + "\nn = " + std::to_string(entry.n) +
            "\nbits = " + std::to_string(entry.bits) + "\n";
    text += cost_line("share", entry.share_ps) + cost_line("prove", entry.prove_ps) +
            cost_line("check_proof", entry.check_proof_ps) + cost_line("combine", entry.combine_ps);
  }
  return text;
}

Result<CostModel> load_costs(const std::string& path) {
  return read_costs(TomlFile::load(path));
}

Result<CostModel> parse_costs(std::string_view text, std::string_view file_name) {
  return read_costs(TomlFile::parse(text, file_name));
}

}  // namespace seneschal::emulator
