#include "accountability/findings.hpp"

#include "accountability/frames.hpp"
#include "crypto/digest.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

namespace seneschal::accountability {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kLineDomain = "seneschal/graph/finding/1\n";
constexpr std::string_view kHeadDomain = "seneschal/graph/findings-head/1\n";
constexpr std::string_view kSignature = " signature=";
constexpr std::size_t kMostText = 2000;  // bytes of an author or a reason

std::optional<std::uint64_t> number_of(const std::string& word) {
  std::uint64_t value = 0;
  const auto [end, bad] = std::from_chars(word.data(), word.data() + word.size(), value);
  return bad == std::errc{} && end == word.data() + word.size() && !word.empty() ? std::optional(value)
                                                                                 : std::nullopt;
}

/// Without blanks, control characters and '%'.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kMostText)) {
    const auto byte = static_cast<Byte>(c);
    if (byte > 0x20 && byte != 0x7f && c != '%')
      out += c;
    else
      out += "%" + to_hex(Span(&byte, 1));
  }
  return out;
}

std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = text[i] == '%' ? from_hex(text.substr(i + 1, 2)) : std::nullopt;
    if (byte && byte->size() == 1) {
      out += static_cast<char>(byte->front());
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string said(const Mark& mark) {
  std::string text = std::to_string(mark.client.value) + " " + std::to_string(mark.from.value);
  if (mark.given)
    text += (mark.given->kind == Moment::Kind::Seq ? " seq " : " time ") + std::to_string(mark.given->value);
  return text;
}

constexpr std::array<std::string_view, 4> kVerbs = {"mark", "unmark", "clear", "unclear"};

std::string said(const Finding& finding) {
  const bool marks = finding.kind == Finding::Kind::Mark || finding.kind == Finding::Kind::Unmark;
  return std::string(kVerbs[static_cast<std::size_t>(finding.kind)]) + " " +
         (marks ? said(finding.mark) : std::to_string(finding.update.value));
}

std::optional<Mark> read_mark(const std::vector<std::string>& words) {
  if (words.size() != 3 && words.size() != 5) return std::nullopt;
  const auto client = number_of(words[1]), id = number_of(words[2]);
  if (!client || *client >= kMaxClient || !id || *id == 0) return std::nullopt;
  Mark mark{ClientId(static_cast<std::uint32_t>(*client)), UpdateId(*id), {}};
  if (words.size() == 3) return mark;
  const auto value = number_of(words[4]);
  if (!value || (words[3] != "seq" && words[3] != "time")) return std::nullopt;
  mark.given = Moment{words[3] == "seq" ? Moment::Kind::Seq : Moment::Kind::Time, *value};
  return mark;
}

/// What was said, and behind it NAME=VALUE.
std::optional<Finding> read_finding(const std::string& line, std::map<std::string, std::string>& values) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;)
    if (const std::size_t equals = word.find('='); equals != std::string::npos)
      values[word.substr(0, equals)] = word.substr(equals + 1);
    else
      words.push_back(word);
  Finding finding;
  const auto verb = words.empty() ? kVerbs.end() : std::ranges::find(kVerbs, words[0]);
  if (verb == kVerbs.end()) return std::nullopt;
  finding.kind = static_cast<Finding::Kind>(verb - kVerbs.begin());
  if (finding.kind == Finding::Kind::Mark || finding.kind == Finding::Kind::Unmark) {
    const auto mark = read_mark(words);
    if (!mark) return std::nullopt;
    finding.mark = *mark;
  } else {
    const auto id = words.size() == 2 ? number_of(words[1]) : std::nullopt;
    if (!id || *id == 0) return std::nullopt;
    finding.update = UpdateId(*id);
  }
  finding.author = unescaped(values["author"]);
  finding.time = unescaped(values["time"]);
  finding.reason = unescaped(values["reason"]);
  return finding;
}

void apply(const Finding& finding, Findings& to) {
  switch (finding.kind) {
    case Finding::Kind::Mark: to.marks.insert(finding.mark); break;
    case Finding::Kind::Unmark: to.marks.erase(finding.mark); break;
    case Finding::Kind::Clear: to.cleared.insert(finding.update); break;
    case Finding::Kind::Unclear: to.cleared.erase(finding.update); break;
  }
}

/// The part of a signed line before its signature; sets `key`. Nothing if the signature is not by that key.
std::optional<std::string> verified(const std::string& line, std::string_view domain, const Digest& before,
                                    std::string& key) {
  const std::size_t at = line.rfind(kSignature);
  const std::size_t key_at = line.rfind(" key=", at);
  if (at == std::string::npos || key_at == std::string::npos) return std::nullopt;
  const auto raw = from_hex(std::string_view(line).substr(key_at + 5, at - key_at - 5));
  const auto signature = from_hex(std::string_view(line).substr(at + kSignature.size()));
  if (!raw || raw->size() != 32 || !signature) return std::nullopt;
  std::array<Byte, 32> bytes{};
  std::ranges::copy(*raw, bytes.begin());
  const auto public_key = crypto::PublicKey::from_ed25519(bytes);
  const std::string bare = line.substr(0, at);
  const std::string message = std::string(domain) + to_hex(before.bytes) + "\n" + bare;
  if (!public_key.verify(as_span(message), *signature)) return std::nullopt;
  key = fingerprint(public_key);
  return bare;
}

std::string signed_line(std::string text, std::string_view domain, const Digest& before,
                        const crypto::PrivateKey& signer) {
  text += " key=" + to_hex(signer.public_key().ed25519());
  const std::string message = std::string(domain) + to_hex(before.bytes) + "\n" + text;
  return text + std::string(kSignature) + to_hex(signer.sign(as_span(message)));
}

Digest digest_of(const std::string& line) {
  return crypto::sha256(as_span(line));
}

struct Lines {
  std::vector<std::string> all;
  std::vector<int> numbers;  // in the file
};

Result<Lines> read_lines(const std::string& path) {
  Lines lines;
  std::error_code error;
  if (!fs::exists(path, error) && !error) return lines;
  std::ifstream file;
  if (fs::is_regular_file(path, error)) file.open(path);
  if (!file.is_open())
    return failure(path + ": cannot be read; marks may be in it, so nothing is computed without it");
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.empty() || line.starts_with('#')) continue;
    lines.all.push_back(line);
    lines.numbers.push_back(number);
  }
  if (file.bad()) return failure(path + ": cannot be read to its end");
  return lines;
}

/// How many lines there must be, and the digest of the last of them. 0 if nothing was said yet.
Result<std::pair<std::uint64_t, Digest>> read_head(const std::string& path) {
  auto lines = read_lines(path);
  if (!lines) return std::unexpected(lines.error());
  if (lines->all.empty() && !fs::exists(path)) return std::pair<std::uint64_t, Digest>{};
  std::string key;
  const auto bare = lines->all.size() == 1 ? verified(lines->all[0], kHeadDomain, {}, key) : std::nullopt;
  std::istringstream words(bare.value_or(""));
  std::string count, digest;
  words >> count >> digest;
  const auto number = number_of(count);
  const auto bytes = from_hex(digest);
  if (!number || !bytes || bytes->size() != 32)
    return failure(path +
                   ": it is not what an operator signed, so findings may be missing; take the folder's findings "
                   "from a copy that you trust, or move findings.txt and findings.head away and say all again");
  Digest last;
  std::ranges::copy(*bytes, last.bytes.begin());
  return std::pair(*number, last);
}

}  // namespace

std::string fingerprint(const crypto::PublicKey& key) {
  Bytes der = *from_hex("302a300506032b6570032100");  // SubjectPublicKeyInfo of an Ed25519 key [RFC 8410]
  append(der, key.ed25519());
  return to_hex(crypto::sha256(der).bytes);
}

std::string to_string(const Finding& finding) {
  std::string text = "by " + finding.author + ", " + finding.time + ", key " + finding.key.substr(0, 16);
  return finding.reason.empty() ? text + ", no reason given" : text + ": " + finding.reason;
}

namespace {
/// What both files say now. The head first: a writer replaces it last, so the lines that are read after it are at
/// least those that it knows.
Result<FindingsLog> read_findings(const std::string& folder) {
  const std::string path = folder + "/findings.txt";
  FindingsLog log;
  auto head = read_head(folder + "/findings.head");
  if (!head) return std::unexpected(head.error());
  auto lines = read_lines(path);
  if (!lines) return std::unexpected(lines.error());
  std::optional<Digest> at_head;
  for (std::size_t i = 0; i < lines->all.size(); ++i) {
    const std::string& line = lines->all[i];
    const std::string where = path + ":" + std::to_string(lines->numbers[i]) + ": ";
    std::map<std::string, std::string> values;
    auto finding = read_finding(line, values);
    if (!finding)
      return failure(
          where +
          "expected 'mark CLIENT UPDATE' or 'clear UPDATE', signed, as 'graph mark' and 'graph clear' write "
          "them, with a client below " +
          std::to_string(kMaxClient) + " and an update from 1 on");
    if (!values.contains("signature"))
      return failure(
          where +
          "expected a signature: somebody wrote this by hand, or an earlier version did; if it is right, move "
          "the file away and say it again with 'graph mark' or 'graph clear'");
    if (!verified(line, kLineDomain, log.last, finding->key))
      return failure(
          where +
          "it was changed, or is not the line that was said here: one before it may be missing; take "
          "findings.txt and findings.head from a copy that you trust, or move both away and say all again");
    log.last = digest_of(line);
    if (i + 1 == head->first) at_head = log.last;
    apply(*finding, log.findings);
    log.entries.push_back(std::move(*finding));
  }
  // More lines than the head knows: a crash in between; each of them is signed, and follows the one before.
  if (lines->all.size() < head->first || (head->first > 0 && at_head != head->second))
    return failure(
        path + ": findings.head knows " + std::to_string(head->first) + " lines, and " +
        std::to_string(lines->all.size()) +
        " are there: something that was said is missing; take both files from a copy that you trust, or move "
        "both away and say all again");
  if (!lines->all.empty() && !fs::exists(folder + "/findings.head"))
    return failure(path +
                   ": findings.head is gone, which tells how many lines there must be; take both files from a "
                   "copy that you trust, or move findings.txt away and say all again");
  return log;
}

}  // namespace

Result<FindingsLog> load_findings(const std::string& folder) {
  // Between the first line and the first head a writer may just be at work.
  constexpr int kAttempts = 5;
  auto log = read_findings(folder);
  for (int i = 1; i < kAttempts && !log; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    log = read_findings(folder);
  }
  return log;
}

Status add_finding(const std::string& folder, FindingsLog& log, Finding finding, const crypto::PrivateKey& signer) {
  if (signer.public_key().is_rsa())
    return failure(
        "the operator's key is an RSA key; findings are signed with Ed25519: 'openssl genpkey -algorithm "
        "ed25519 -out operator.pem' makes one");
  std::string text =
      "# What operators found: clients that are malicious from an update on, updates that are good after all.\n";
  const std::string path = folder + "/findings.txt";
  auto lines = read_lines(path);
  if (!lines) return std::unexpected(lines.error());
  for (const std::string& line : lines->all) text += line + "\n";
  const std::string line =
      signed_line(said(finding) + " time=" + escaped(finding.time) + " author=" + escaped(finding.author) +
                      " reason=" + escaped(finding.reason),
                  kLineDomain, log.last, signer);
  text += line + "\n";
  // From the first line on there is a head.
  const auto write_head = [&] {
    const std::string head =
        signed_line(std::to_string(log.entries.size()) + " " + to_hex(log.last.bytes), kHeadDomain, {}, signer);
    return replace_file(folder + "/findings.head", as_span(head + "\n"));
  };
  if (log.entries.empty())
    if (Status done = write_head(); !done) return done;
  if (Status done = replace_file(path, as_span(text)); !done) return done;
  finding.key = fingerprint(signer.public_key());
  log.last = digest_of(line);
  apply(finding, log.findings);
  log.entries.push_back(std::move(finding));
  return write_head();
}

const Finding* finding_of(const FindingsLog& log, const Mark& mark) {
  const Finding* found = nullptr;
  for (const Finding& one : log.entries)
    if (one.kind == Finding::Kind::Mark && one.mark == mark) found = &one;
  return found;
}

const Finding* finding_of(const FindingsLog& log, UpdateId cleared) {
  const Finding* found = nullptr;
  for (const Finding& one : log.entries)
    if (one.kind == Finding::Kind::Clear && one.update == cleared) found = &one;
  return found;
}

}  // namespace seneschal::accountability
