#include "accountability/recorder.hpp"

#include <pthread.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <csignal>
#include <filesystem>
#include <limits>

namespace seneschal::accountability {
namespace {

/// The thread stops gathering when the queue is so full: one in kEnough.
constexpr std::size_t kEnough = 16;
/// With nothing to do: who wants to read the files does not wait longer.
constexpr std::chrono::milliseconds kLookEvery{250};

std::uint64_t thread_cpu_ns() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<std::uint64_t>(used.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(used.tv_nsec);
}

/// What asking costs, and so is in every difference of two answers.
std::uint64_t cost_of_asking() {
  std::uint64_t least = ~std::uint64_t{0};
  for (int i = 0; i < 64; ++i) {
    const std::uint64_t began = thread_cpu_ns();
    least = std::min(least, thread_cpu_ns() - began);
  }
  return least;
}

/// Signals are for the threads of the host, and processor time first for those that order updates.
void stay_in_the_background() {
  sigset_t signals;
  sigfillset(&signals);
  for (const int own : {SIGBUS, SIGSEGV, SIGFPE, SIGILL}) sigdelset(&signals, own);
  (void)::pthread_sigmask(SIG_SETMASK, &signals, nullptr);
  constexpr int kNice = 10;
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
}

}  // namespace

Recorder::Recorder(const Settings& settings, std::unique_ptr<StoreWriter> writer)
    : settings_(settings), writer_(std::move(writer)), ingest_(fresh_ingest()), asking_ns_(cost_of_asking()) {}

Ingest Recorder::fresh_ingest() {
  return Ingest(settings_.source, [this](const NewUpdate& update) { return add(update); });
}

Result<std::shared_ptr<Recorder>> Recorder::start(const Settings& settings, Signer signer) {
  const StoreOptions everything{.payloads = true, .application = settings.application};
  auto writer = StoreWriter::open(settings.folder, everything, std::move(signer));
  if (!writer) return std::unexpected(writer.error());
  std::shared_ptr<Recorder> recorder(new Recorder(settings, std::move(*writer)));
  if (Status good = recorder->remember(); !good) return std::unexpected(good.error());
  recorder->thread_ = std::thread([self = recorder.get()] { self->run(); });
  return recorder;
}

/// What the updates of an earlier life wrote: later ones may read it without executing those again.
Status Recorder::remember() {
  facts_.begin = writer_->begin().value;
  facts_.updates = facts_.told = writer_->next().value - 1;
  auto store = Store::open(settings_.folder);
  if (!store) return std::unexpected(store.error());
  if (store->head()) {
    facts_.digest = store->head()->digest;
    facts_.sealed = store->head()->next - 1;
  }
  if (facts_.updates == 0) return {};
  snapshots_ = store->snapshots();
  const bool all = store->each_payload(store->graph().base(), [this](const Payload& payload) {
    ingest_.remember(payload.id, payload.client, payload.writes);
  });
  if (!all)
    return failure(settings_.folder +
                   ": operations of the graph are missing; move the folder away to begin a new one");
  return {};
}

Recorder::~Recorder() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  work_.notify_one();
  if (thread_.joinable()) thread_.join();
}

std::uint64_t Recorder::since(std::uint64_t began) const {
  const std::uint64_t used = thread_cpu_ns() - began;
  return used - std::min(used, asking_ns_);
}

bool Recorder::enough() const {
  return queue_.updates.updates() >= settings_.max_queued / kEnough ||
         queue_.updates.bytes() >= settings_.max_queued_bytes / kEnough;
}

void Recorder::executed(const Executed& update) {
  const bool timed = batches_ % kTimed == 0;
  const std::uint64_t began = timed ? thread_cpu_ns() : 0;
  telling_.add(update);
  last_seq_ = update.seq;
  // Not from here to the end of the batch: in between the core executes the others and makes their replies.
  if (timed) core_cpu_ns_ += since(began);
}

void Recorder::hand_over() {
  if (facts_.trouble.empty() && !overflowed_) {
    if (queue_.updates.updates() + telling_.updates() > settings_.max_queued ||
        queue_.updates.bytes() + telling_.bytes() > settings_.max_queued_bytes) {
      facts_.overflow = "the graph could not keep up at seq " + std::to_string(last_seq_.value) +
                        (settings_.epoch_updates > 0 ? "; it begins anew at the next snapshot"
                                                     : "; it begins anew when this replica takes over a state");
      stopped_ = overflowed_ = true;
    } else {
      queue_.updates.add(telling_);
    }
  }
  telling_.clear();
}

void Recorder::push_state(const replication::Position& at, const replication::Application& application, bool moved) {
  State state;
  state.seq = at.seq;
  state.frozen = application.freeze();
  state.digest = application.digest();
  if (moved) state.moved_to = at;
  const std::lock_guard lock(mutex_);
  if (overflowed_ && facts_.trouble.empty()) {
    // Updates are missing, and all that was told since then, or waits, is part of this state: a graph begins here.
    overflowed_ = stopped_ = false;
    facts_.overflow.clear();
    ++facts_.overflows;
    telling_.clear();
    queue_.updates.clear();
    for (State& waiting : queue_.states) spent_.push_back(std::move(waiting.frozen));
    queue_.states.clear();
    state.moved_to = at;
  }
  hand_over();
  if (!facts_.trouble.empty() || overflowed_) return;
  state.behind = queue_.updates.updates();
  queue_.states.push_back(std::move(state));
}

void Recorder::batch_done(const replication::Position& at, const replication::Application& application) {
  // By the count of updates alone: all servers take their snapshots at the same places.
  const std::uint64_t epoch = settings_.epoch_updates == 0 ? 0 : at.updates / settings_.epoch_updates;
  const bool snapshot = epoch > std::exchange(epoch_, epoch), timed = batches_++ % kTimed == 0;
  const std::uint64_t began = timed || snapshot ? thread_cpu_ns() : 0;
  if (snapshot) push_state(at, application, false);
  const std::uint64_t stated = snapshot ? thread_cpu_ns() : began;
  std::vector<std::shared_ptr<const replication::Frozen>> spent;
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    hand_over();
    spent.swap(spent_);
    wake = !gathering_ || enough();
    facts_.told = at.updates;
    facts_.core_cpu_ns += stated - began;
    if (timed) facts_.core_cpu_ns += kTimed * (std::exchange(core_cpu_ns_, 0) + since(stated));
  }
  if (wake) work_.notify_one();
}

void Recorder::checkpointing() {
  {
    const std::lock_guard lock(mutex_);
    hurry_ = true;
  }
  work_.notify_one();
}

void Recorder::replaced(const replication::Position& at, const replication::Application& application) {
  epoch_ = settings_.epoch_updates == 0 ? 0 : at.updates / settings_.epoch_updates;
  push_state(at, application, true);
  checkpointing();
}

void Recorder::stop_at(const std::string& trouble) {
  const std::lock_guard lock(mutex_);
  if (facts_.trouble.empty()) facts_.trouble = trouble;
  stopped_ = true;
}

std::expected<UpdateId, Refusal> Recorder::add(const NewUpdate& update) {
  if (position_ < writer_->next()) {
    const auto known = writer_->digest_of(position_);
    if (known && *known != update.digest())
      stop_at("update " + std::to_string(position_.value) + " of the graph is not the one that was executed");
    return std::exchange(position_, position_.next());
  }
  auto id = writer_->add(update);
  if (id) position_ = id->next();
  return id;
}

void Recorder::take_snapshot(const State& state) {
  const UpdateId last(position_.value - 1);
  // It was taken in an earlier life.
  if (position_ != writer_->next() || (!snapshots_.empty() && snapshots_.back() >= last)) return;
  std::vector<Bytes> chunks;
  for (std::size_t i = 0; i < state.frozen->chunks(); ++i) chunks.push_back(*state.frozen->chunk(i));
  if (Status done = writer_->snapshot(state.seq, std::move(chunks), state.digest); !done)
    return stop_at(done.error().message);
  snapshots_.push_back(last);
  if (settings_.keep_epochs != 0 && snapshots_.size() > settings_.keep_epochs) {
    snapshots_.erase(snapshots_.begin(), snapshots_.end() - static_cast<std::ptrdiff_t>(settings_.keep_epochs));
    if (Status done = writer_->drop_before(snapshots_.front()); !done) stop_at(done.error().message);
  }
  const std::lock_guard lock(mutex_);
  ++facts_.snapshots;
}

void Recorder::begin_anew(const State& taken) {
  if (Status done = writer_->seal(); !done) return stop_at(done.error().message);
  Snapshot state;
  state.last = UpdateId(taken.moved_to->updates);
  state.seq = taken.seq;
  state.state_digest = taken.digest;
  for (std::size_t i = 0; i < taken.frozen->chunks(); ++i) state.chunks.items.push_back({*taken.frozen->chunk(i)});
  // Where old epochs leave the graph, so does what is before this one; the last stays for who is looking at it.
  constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
  auto anew = writer_->begin_anew(state, settings_.keep_epochs == 0 ? kAll : 1);
  if (!anew) {
    broken_ = true;
    return stop_at(anew.error().message);
  }
  writer_ = std::move(*anew);
  refused_before_ += ingest_.refused();
  ingest_ = fresh_ingest();
  snapshots_ = {state.last};
  const std::lock_guard lock(mutex_);
  facts_.begin = writer_->begin().value;
  facts_.digest = writer_->digest();
  facts_.sealed = writer_->next().value - 1;
}

void Recorder::take_state(State& state) {
  if (state.moved_to) {
    const UpdateId next(state.moved_to->updates + 1);
    if (next > writer_->next()) begin_anew(state);
    if (next <= writer_->next()) position_ = next;  // else it failed: nothing may be added at a wrong place
  } else {
    take_snapshot(state);
  }
}

void Recorder::take(Queue& queue) {
  Told::Reader reader(queue.updates);
  auto state = queue.states.begin();
  for (std::size_t taken = 0; !stopped_.load(std::memory_order_relaxed); ++taken) {
    for (; state != queue.states.end() && state->behind == taken; ++state) take_state(*state);
    if (reader.done() || stopped_.load(std::memory_order_relaxed)) break;
    (void)ingest_.take(reader.next());
  }
  if (broken_) return;
  if (Status done = writer_->flush(); !done) stop_at(done.error().message);
}

void Recorder::seal() {
  if (broken_) return;
  if (Status done = writer_->seal(); !done) return stop_at(done.error().message);
  const std::lock_guard lock(mutex_);
  facts_.digest = writer_->digest();
  facts_.sealed = writer_->next().value - 1;
}

void Recorder::run() {
  stay_in_the_background();
  auto sealed_at = std::chrono::steady_clock::now(), next_look = sealed_at + settings_.seal_every;
  std::uint64_t sealed = 0;
  bool unsealed = facts_.updates > 0;
  Queue taken;
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto look = std::min(next_look, std::chrono::steady_clock::now() + kLookEvery);
    if (!work_.wait_until(lock, look, [this] { return ending_ || want_seal_ || !queue_.empty(); })) {
      lock.unlock();
      const bool asked = wanted_on_disk();
      lock.lock();
      want_seal_ = want_seal_ || asked;
      if (!want_seal_ && std::chrono::steady_clock::now() < next_look) continue;
    }
    gathering_ = true;
    if (!queue_.empty())
      work_.wait_for(lock, settings_.gather, [this] { return ending_ || want_seal_ || hurry_ || enough(); });
    gathering_ = hurry_ = false;
    std::swap(taken, queue_);
    const bool ending = ending_, wanted = std::exchange(want_seal_, false);
    busy_ = true;
    lock.unlock();
    if (!taken.empty()) {
      const auto wall = std::chrono::system_clock::now().time_since_epoch();
      const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(wall).count();
      if (Status done = writer_->note_time(static_cast<std::uint64_t>(ms)); !done) stop_at(done.error().message);
      take(taken);
      unsealed = true;
    }
    const auto now = std::chrono::steady_clock::now();
    const bool many = writer_->next().value > sealed + settings_.seal_updates;
    const bool due = now >= next_look && (many || now - sealed_at >= settings_.seal_latest);
    if (unsealed && (wanted || ending || due)) {
      seal();
      unsealed = false;
      sealed_at = now;
      sealed = writer_->next().value - 1;
    }
    // It stays until that is done: who put it there reads the files next.
    std::error_code error;
    if (wanted && !stopped_) std::filesystem::remove(settings_.folder + kWanted, error);
    if (now >= next_look) next_look = now + std::min(settings_.seal_every, settings_.seal_latest);
    lock.lock();
    busy_ = false;
    for (State& state : taken.states) spent_.push_back(std::move(state.frozen));  // not to be let go of here
    taken.states.clear();
    taken.updates.clear();
    facts_.updates = writer_->next().value - 1;
    facts_.refused = refused_before_ + ingest_.refused();
    facts_.cpu_ns = thread_cpu_ns();
    done_.notify_all();
    if (ending && queue_.empty()) return;
  }
}

bool Recorder::wanted_on_disk() const {
  std::error_code error;
  return std::filesystem::exists(settings_.folder + kWanted, error);
}

void Recorder::settle() {
  std::unique_lock lock(mutex_);
  want_seal_ = true;
  work_.notify_one();
  done_.wait(lock, [this] { return !want_seal_ && !busy_ && queue_.empty(); });
}

Recorder::Facts Recorder::facts() const {
  const std::lock_guard lock(mutex_);
  Facts facts = facts_;
  if (facts.trouble.empty()) facts.trouble = facts.overflow;
  return facts;
}

void Recorder::status(StatusList& out) {
  Facts f;
  const bool asked = wanted_on_disk();
  {
    const std::lock_guard lock(mutex_);
    f = facts_;
    if (f.trouble.empty()) f.trouble = f.overflow;
    want_seal_ = want_seal_ || (asked && f.trouble.empty());
  }
  if (asked) work_.notify_one();
  out.emplace_back("graph_folder", settings_.folder);
  out.emplace_back("graph_begin", std::to_string(f.begin));
  out.emplace_back("graph_updates", std::to_string(f.trouble.empty() ? std::max(f.told, f.updates) : f.updates));
  out.emplace_back("graph_sealed", std::to_string(f.sealed));
  out.emplace_back("graph_digest", to_hex(f.digest.bytes));
  out.emplace_back("graph_snapshots", std::to_string(f.snapshots));
  out.emplace_back("graph_refused", std::to_string(f.refused));
  out.emplace_back("graph_cpu_us", std::to_string((f.cpu_ns + f.core_cpu_ns) / 1000));
  out.emplace_back("graph_thread_us", std::to_string(f.cpu_ns / 1000));
  if (f.overflows > 0) out.emplace_back("graph_overflows", std::to_string(f.overflows));
  if (!f.trouble.empty()) out.emplace_back("graph_trouble", f.trouble);
}

}  // namespace seneschal::accountability
