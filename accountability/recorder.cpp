#include "accountability/recorder.hpp"

#include <time.h>

namespace seneschal::accountability {
namespace {

std::uint64_t thread_cpu_ns() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<std::uint64_t>(used.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(used.tv_nsec);
}

}  // namespace

Recorder::Recorder(const Settings& settings, std::unique_ptr<StoreWriter> writer)
    : settings_(settings),
      writer_(std::move(writer)),
      ingest_(settings.source, [this](const NewUpdate& update) { return add(update); }) {
  thread_ = std::thread([this] { run(); });
}

Result<std::shared_ptr<Recorder>> Recorder::start(const Settings& settings, Signer signer) {
  StoreOptions options;
  options.digests = options.payloads = true;
  auto writer = StoreWriter::open(settings.folder, options, std::move(signer));
  if (!writer) return std::unexpected(writer.error());
  return std::shared_ptr<Recorder>(new Recorder(settings, std::move(*writer)));
}

Recorder::~Recorder() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  work_.notify_one();
  thread_.join();
}

void Recorder::executed(const Executed& update) {
  Item item{update.seq, update.client, to_bytes(update.signed_operation), to_bytes(update.dependencies),
            to_bytes(update.operation)};
  const std::lock_guard lock(mutex_);
  if (!facts_.trouble.empty()) return;
  if (queue_.size() >= settings_.max_queued || queued_bytes_ + item.bytes() > settings_.max_queued_bytes) {
    facts_.trouble = "the graph could not keep up at seq " + std::to_string(update.seq.value);
    return;
  }
  queued_bytes_ += item.bytes();
  queue_.push_back(std::move(item));
}

void Recorder::batch_done(Seq, const replication::Application&) {
  work_.notify_one();
}

void Recorder::replaced(const replication::Application&) {
  stop_at("the state was taken from other servers: updates in between were not seen");
}

void Recorder::stop_at(const std::string& trouble) {
  const std::lock_guard lock(mutex_);
  if (facts_.trouble.empty()) facts_.trouble = trouble;
}

std::expected<UpdateId, Refusal> Recorder::add(const NewUpdate& update) {
  if (position_ < writer_->next()) {
    const auto known = writer_->digest_of(position_);
    if (known && *known != update.digest)
      stop_at("update " + std::to_string(position_.value) + " of the graph is not the one that was executed");
    return std::exchange(position_, position_.next());
  }
  auto id = writer_->add(update);
  if (id) position_ = id->next();
  return id;
}

void Recorder::take(const std::deque<Item>& items) {
  for (const Item& item : items) {
    if (!facts().trouble.empty()) return;
    (void)ingest_.take({item.seq, item.client, item.signed_operation, item.dependencies, item.operation, {}});
  }
  if (Status done = writer_->flush(); !done) stop_at(done.error().message);
}

void Recorder::seal() {
  if (Status done = writer_->seal(); !done) stop_at(done.error().message);
  const std::lock_guard lock(mutex_);
  facts_.digest = writer_->digest();
}

void Recorder::run() {
  auto next_seal = std::chrono::steady_clock::now() + settings_.seal_every;
  bool unsealed = false;
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait_until(lock, next_seal, [this] { return ending_ || want_seal_ || !queue_.empty(); });
    std::deque<Item> items;
    items.swap(queue_);
    queued_bytes_ = 0;
    const bool ending = ending_, wanted = std::exchange(want_seal_, false);
    busy_ = true;
    lock.unlock();
    if (!items.empty()) {
      take(items);
      unsealed = true;
    }
    const auto now = std::chrono::steady_clock::now();
    if (wanted || (unsealed && (ending || now >= next_seal))) {
      seal();
      unsealed = false;
    }
    if (now >= next_seal) next_seal = now + settings_.seal_every;
    lock.lock();
    busy_ = false;
    facts_.updates = writer_->next().value - 1;
    facts_.refused = ingest_.refused();
    facts_.cpu_ns = thread_cpu_ns();
    done_.notify_all();
    if (ending && queue_.empty()) return;
  }
}

void Recorder::settle() {
  std::unique_lock lock(mutex_);
  want_seal_ = true;
  work_.notify_one();
  done_.wait(lock, [this] { return !want_seal_ && !busy_ && queue_.empty(); });
}

Recorder::Facts Recorder::facts() const {
  const std::lock_guard lock(mutex_);
  return facts_;
}

}  // namespace seneschal::accountability
