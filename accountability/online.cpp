#include "accountability/online.hpp"

#include <cstdio>

namespace seneschal::accountability {

std::optional<Recorder::Settings> read_recorder(ConfigText& config, const std::string& folder,
                                                const std::string& application) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 40;
  Recorder::Settings settings;
  settings.source = static_cast<Source>(
      config.choice("graph_source", {"declared", "flow", "conservative"}, static_cast<std::size_t>(settings.source)));
  settings.epoch_updates = config.number("graph_epoch", settings.epoch_updates, 0, kMost);
  settings.keep_epochs = config.number("graph_keep", settings.keep_epochs, 0, kMost);
  if (!config.has("graph")) return std::nullopt;
  settings.application = application;
  settings.folder = config.text("graph");
  if (!settings.folder.starts_with('/')) settings.folder = folder + "/" + settings.folder;
  return settings;
}

std::function<void(StatusList&)> Observed::status() const {
  if (!trouble.empty())
    return [folder = folder, trouble = trouble](StatusList& out) {
      out.emplace_back("graph_folder", folder);
      out.emplace_back("graph_trouble", trouble);
    };
  if (!recorder) return {};
  return [graph = std::weak_ptr(recorder)](StatusList& out) {
    if (const auto there = graph.lock()) there->status(out);
  };
}

Result<Observed> observe(std::unique_ptr<replication::Application> application,
                         const std::optional<Recorder::Settings>& settings, const Principal& self,
                         const crypto::Keys& keys) {
  Observed observed;
  if (settings) {
    const auto sign = [&keys](Span message) { return keys.sign(message); };
    const auto verify = [&keys, self](Span message, Span signature) { return keys.verify(self, message, signature); };
    auto recorder = Recorder::start(*settings, {self, sign, verify});
    if (recorder) {
      observed.recorder = std::move(*recorder);
    } else {
      observed.folder = settings->folder;
      observed.trouble = "no graph is built: " + recorder.error().message;
      std::fprintf(stderr, "warning: %s\n", observed.trouble.c_str());
    }
  }
  observed.application =
      std::make_unique<replication::ObservedApplication>(std::move(application), observed.recorder, judge);
  return observed;
}

}  // namespace seneschal::accountability
