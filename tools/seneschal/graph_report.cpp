// The incident report: made, signed, and checked by whoever gets it.
#include "base/version.hpp"
#include "crypto/digest.hpp"
#include "crypto/signature.hpp"
#include "lab/files.hpp"
#include "lab/html.hpp"
#include "tools/seneschal/graph_commands.hpp"
#include "tools/seneschal/graph_incident.hpp"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <tclap/CmdLine.h>
#include <unistd.h>
#include <ctime>
#include <filesystem>

namespace seneschal::graph_tool {

using namespace accountability;
namespace html = lab::html;

namespace {

/// Signed is the report's text as it stands in the file, without spaces, after a domain.
std::string message_of(const Json& report) {
  return "seneschal/graph/incident/1\n" + text_of(report);
}

std::string text_at(const Json& json, const char* name) {
  const auto it = json.find(name);
  return it == json.end() ? std::string() : it->is_string() ? it->get<std::string>() : it->dump();
}

void write_to(const std::string& path, Span bytes) {
  if (Status done = replace_file(path, bytes); !done) fail(done.error().message);
}

}  // namespace

std::string user_name() {
  const passwd* const user = ::getpwuid(::geteuid());
  return user != nullptr ? user->pw_name : "user " + std::to_string(::geteuid());
}

std::string time_now() {
  const std::time_t now = std::time(nullptr);
  std::tm when{};
  std::array<char, 32> text{};
  if (::gmtime_r(&now, &when) == nullptr || std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &when) == 0)
    return "unknown";
  return text.data();
}

crypto::PrivateKey operator_key(const std::string& path) {
  if (!std::filesystem::exists(path)) {
    auto made = crypto::PrivateKey::generate(crypto::Scheme::Ed25519);
    if (!made) fail(made.error().message);
    const mode_t before = ::umask(0077);
    const auto pem = made->to_pem();
    const Status done = replace_file(path, pem.expose());
    ::umask(before);
    if (!done) fail(done.error().message);
  }
  auto text = lab::read_file(path);
  if (!text) fail(text.error().message);
  auto key = crypto::PrivateKey::from_pem(crypto::SecretBytes(to_bytes(*text)));
  if (!key) fail(path + ": " + key.error().message);
  if (key->public_key().is_rsa())
    fail(path +
         ": an RSA key; operators sign with Ed25519: 'openssl genpkey -algorithm ed25519 -out FILE' makes one");
  return std::move(*key);
}

Json signed_report(const Incident& incident, const std::string& author, const std::string& key_path) {
  const crypto::PrivateKey key = operator_key(key_path);
  Json body = incident_json(incident);
  body["author"] = author;
  Json report = {{"report", std::move(body)}};
  report["signature"] = {{"public_key", key.public_key().to_pem()},
                         {"fingerprint", fingerprint(key.public_key())},
                         {"over", "\"seneschal/graph/incident/1\\n\" and the report, serialised without spaces"},
                         {"value", to_hex(key.sign(as_span(message_of(report["report"]))))}};
  return report;
}

std::string incident_html(const Incident& incident, const Json& report) {
  const Json& r = report["report"];
  html::Table facts({"What", ">Value"});
  facts.row().cell("deployment").cell(incident.deployment.empty() ? "not known" : incident.deployment);
  if (!incident.place.server.empty()) facts.row().cell("graph of server").cell(incident.place.server);
  facts.row().cell("made").cell(text_at(r, "made_at") + " by " + text_at(r, "author"));
  for (const char* name : {"updates", "corrupt", "suspect", "not_affected", "unknown"})
    facts.row().cell(name).cell(r[name].dump());
  const auto by = [](html::Table& table, const Json& m) {
    table.cell(text_at(m, "author"))
        .cell(text_at(m, "time"))
        .cell(text_at(m, "reason"))
        .cell(text_at(m, "key").substr(0, 16));
  };
  html::Table marks({"Client", "Malicious since", "Said by", "When", "Why", "Key"});
  for (std::size_t i = 0; const Mark& m : incident.findings.marks) {
    marks.row().cell(client_text(incident, m.client)).cell(to_string(m.moment()));
    by(marks, r["marks"][i++]);
  }
  html::Table cleared({">Update", "Client", "Said by", "When", "Why", "Key"});
  for (std::size_t i = 0; const UpdateId id : incident.findings.cleared) {
    const Graph& graph = incident.store.graph();
    cleared.row().cell(std::to_string(id.value));
    cleared.cell(graph.has(id) ? client_text(incident, graph.client(id)) : "not in this graph");
    by(cleared, r["cleared"][i++]);
  }
  html::Table evidence({">Update", "Client", ">Seq", "Class", "What it did", "Keys or rows", "Depends on",
                        "Digest of what the client signed"});
  std::size_t shown = 0;
  for (const Json& e : r["evidence"]) {
    if (++shown > 200) break;
    std::string wrote;
    for (const Json& name : e.value("wrote", Json::array())) {
      if (wrote.size() > 400) {
        wrote += ", ...";
        break;
      }
      wrote += (wrote.empty() ? "" : ", ") + name.get<std::string>();
    }
    evidence.row().cell(e["update"].dump());
    evidence.cell(client_text(incident, ClientId(e["client"].get<std::uint32_t>()))).cell(e["seq"].dump());
    evidence.cell(text_at(e, "class")).cell(e.value("operation", "not kept").substr(0, 200)).cell(wrote);
    evidence.cell(text_at(e, "depends_on").substr(0, 200)).cell(e.value("digest", "not kept"));
  }
  std::string limits;
  if (const auto begin = incident.colours.unknown_before())
    limits = fmt::format(
        "<p><strong>Unknown before update {}.</strong> A client is malicious since before the graph begins: what it "
        "wrote then is in the state that the graph begins with. Updates that are neither corrupt nor suspect may "
        "rest on it. Ask a server whose graph begins earlier.</p>",
        begin->value);
  std::string unchecked;
  for (const std::string& what : incident.not_checked) unchecked += (unchecked.empty() ? "" : "; ") + what;
  const Selection drawn = surroundings(incident, 60);
  std::string body =
      "<p>Head of the graph: " + html::escape(incident.trust) + ". Digest of the graph: <code>" +
      text_at(r, "graph_digest") + "</code></p>" +
      (unchecked.empty() ? std::string() : "<p>Not checked: " + html::escape(unchecked) + ".</p>") + limits +
      facts.text() + "<h2>Malicious clients</h2>" + marks.text() + "<h2>What operators cleared</h2>" +
      (incident.findings.cleared.empty() ? std::string("<p>Nothing.</p>") : cleared.text()) +
      "<h2>The first corrupt and suspect updates, and what they name</h2>" +
      "<p>Red: corrupt. Orange: suspect. Green: not affected. Grey: unknown. An arrow leads to what an update "
      "depends "
      "on; a dashed one to one of several of which any would do.</p>" +
      (drawn.cut ? "<p>Only the first 60 are drawn.</p>" : "") + drawing(incident, drawn.ids) +
      "<h2>Evidence</h2><p>The first " + std::to_string(std::min<std::size_t>(200, r["evidence"].size())) + " of " +
      std::to_string(incident.colours.corrupt() + incident.colours.suspect()) + ".</p>" + evidence.text() +
      "<h2>Signature</h2><p>Of the machine-readable report, by the key with fingerprint <code>" +
      text_at(report["signature"], "fingerprint") + "</code>: ask " + html::escape(text_at(r, "author")) +
      " whether it is theirs.</p><pre>" + html::escape(text_at(report["signature"], "public_key")) +
      "</pre><p><code>" + text_at(report["signature"], "value") +
      "</code></p><p><code>seneschal graph verify incident.json</code> checks it.</p>";
  return html::page("Incident report", body);
}

int verify_report(int argc, char** argv) {
  TCLAP::CmdLine line("Checks the signature of an incident report, and tells whose key it is.", ' ', version());
  TCLAP::UnlabeledValueArg<std::string> path("report", "the report's JSON", true, "", "REPORT", line);
  TCLAP::ValueArg<std::string> expected("", "key", "public key (PEM) that it must be signed with", false, "", "FILE",
                                        line);
  TCLAP::ValueArg<std::string> extract("", "extract", "folder for message, signature and key.pem, for openssl", false,
                                       "", "DIR", line);
  line.setExceptionHandling(false);  // `seneschal graph` tells usage errors in one way
  line.parse(argc, argv);
  const auto text = lab::read_file(path.getValue());
  if (!text) throw UsageError(text.error().message);
  const Json report = Json::parse(*text, nullptr, false);
  if (!report.is_object() || !report.contains("report") || !report.contains("signature") ||
      !report["report"].is_object() || !report["signature"].is_object())
    throw UsageError(path.getValue() + ": not a report; name the JSON that 'graph report' wrote");
  const auto key =
      crypto::PublicKey::from_pem(text_at(report["signature"], "public_key"), crypto::KeyStrength::Standard);
  const auto signature = from_hex(text_at(report["signature"], "value"));
  if (!key || key->is_rsa() || !signature)
    fail(path.getValue() + ": its key or signature cannot be read: it is not as it was written");
  const std::string message = message_of(report["report"]);
  if (!extract.getValue().empty()) {
    std::error_code error;
    std::filesystem::create_directories(extract.getValue(), error);
    if (error) fail(extract.getValue() + ": cannot make the folder: " + error.message());
    write_to(extract.getValue() + "/message", as_span(message));
    write_to(extract.getValue() + "/signature", *signature);
    write_to(extract.getValue() + "/key.pem", as_span(key->to_pem()));
  }
  if (!key->verify(as_span(message), *signature))
    fail(path.getValue() + ": NOT what was signed: the report, its key or its signature was changed");
  if (!expected.getValue().empty()) {
    const auto pem = lab::read_file(expected.getValue());
    if (!pem) throw UsageError(pem.error().message);
    const auto theirs = crypto::PublicKey::from_pem(*pem, crypto::KeyStrength::Standard);
    if (!theirs) throw UsageError(expected.getValue() + ": " + theirs.error().message);
    if (!(*theirs == *key))
      fail(fmt::format("{}: signed with another key than {}: its fingerprint is {}", path.getValue(),
                       expected.getValue(), fingerprint(*key)));
  }
  const std::string of = text_at(report["report"], "deployment");
  std::printf("the signature is good: report of %s, made %s by %s, as it says\nkey: fingerprint %s%s\n",
              of.empty() ? "a graph without a deployment" : of.c_str(), text_at(report["report"], "made_at").c_str(),
              text_at(report["report"], "author").c_str(), fingerprint(*key).c_str(),
              expected.getValue().empty()
                  ? "\nanybody can make a key: ask its author for the fingerprint by another way, or give --key"
                  : ", the one that was expected");
  return 0;
}

}  // namespace seneschal::graph_tool
