// `seneschal keygen`: makes every key of a deployment.
#include "base/version.hpp"
#include "lab/keys.hpp"
#include "lab/process.hpp"
#include "lab/progress.hpp"
#include "lab/report.hpp"
#include "tools/seneschal/commands.hpp"

#include <fmt/format.h>
#include <tclap/CmdLine.h>

using namespace seneschal;
using namespace seneschal::lab;

int keygen_command(int argc, char** argv) {
  constexpr int kGood = static_cast<int>(ExitCode::Good), kUsage = static_cast<int>(ExitCode::Usage);
  std::string file, out, from;
  try {
    TCLAP::CmdLine line("Makes every key of a deployment: servers, clients, site keys with their shares.", ' ',
                        version());
    line.setExceptionHandling(false);
    TCLAP::ValueArg<std::string> deployment("d", "deployment", "the deployment's file", true, "", "FILE", line);
    TCLAP::ValueArg<std::string> folder("o", "out", "new folder for the keys", true, "", "DIR", line);
    TCLAP::ValueArg<std::string> old("f", "from", "keys of the same servers: they keep them, new clients get some",
                                     false, "", "DIR", line);
    line.parse(argc, argv);
    file = deployment.getValue();
    out = folder.getValue();
    from = old.getValue();
  } catch (const TCLAP::ExitException& exit) {
    return exit.getExitStatus() == 0 ? kGood : kUsage;
  } catch (const TCLAP::ArgException& error) {
    fmt::print(stderr, "seneschal keygen: {} {}\nTry 'seneschal keygen --help'.\n", error.error(), error.argId());
    return kUsage;
  }
  const auto fail = [](const Error& error) {
    fmt::print(stderr, "seneschal keygen: {}\n", error.message);
    return kUsage;
  };
  const auto deployment = load_deployment(file);
  if (!deployment) return fail(deployment.error());
  Progress progress;
  const auto show = [&](const std::string& made, std::size_t done, std::size_t total) {
    progress.update(fmt::format("keys  {}/{}  {}", done, total, made));
  };
  const crypto::KeyPlan plan = key_plan(*deployment);
  catch_interrupts();
  const Status made = from.empty() ? crypto::generate_keys(plan, out, show, interrupted)
                                   : crypto::extend_keys(from, plan, out, show, interrupted);
  progress.clear();
  if (!made && interrupted()) {
    fmt::print(stderr, "seneschal keygen: interrupted; no keys are left in {}\n", out);
    return kInterrupted;
  }
  if (!made) return fail(made.error());
  fmt::print(
      "The keys of {} servers and {} clients are in {}. Give each machine deployment.txt, the public.txt files "
      "and only the folders of those who run there.\n",
      deployment->server_count(), deployment->clients, out);
  return kGood;
}
