#include "accountability/mapped_file.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>

namespace seneschal::accountability {
namespace {

/// What the handler may read: plain atomics, no locks, no allocation.
struct Slot {
  std::atomic<std::uintptr_t> begin{0};
  std::atomic<std::uintptr_t> end{0};
  std::atomic<bool> shrank{false};
};
Slot g_slots[MappedFile::kMost];
struct sigaction g_before;
long g_page = 4096;

void on_bus_error(int signal, siginfo_t* info, void* context) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  for (Slot& slot : g_slots) {
    if (address < slot.begin.load(std::memory_order_acquire) || address >= slot.end.load(std::memory_order_acquire))
      continue;
    const int saved = errno;
    void* const page = reinterpret_cast<void*>(address & ~static_cast<std::uintptr_t>(g_page - 1));
    void* const there =
        ::mmap(page, static_cast<std::size_t>(g_page), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    errno = saved;
    if (there == MAP_FAILED) break;
    slot.shrank.store(true);
    return;
  }
  // Not ours: as if we had never been here.
  if ((g_before.sa_flags & SA_SIGINFO) != 0) return g_before.sa_sigaction(signal, info, context);
  if (g_before.sa_handler != SIG_DFL && g_before.sa_handler != SIG_IGN) return g_before.sa_handler(signal);
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

void install_handler() {
  static std::once_flag once;
  std::call_once(once, [] {
    g_page = ::sysconf(_SC_PAGESIZE);
    struct sigaction action{};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(SIGBUS, &action, &g_before);
  });
}

std::size_t take_slot(const Byte* at, std::size_t size) {
  static std::mutex mutex;
  static std::size_t next = 0;  // usually free: looking for one from the beginning would be slow with many files
  const std::lock_guard lock(mutex);
  for (std::size_t tried = 0; tried < MappedFile::kMost; ++tried) {
    const std::size_t i = std::exchange(next, (next + 1) % MappedFile::kMost);
    if (g_slots[i].end.load() != 0) continue;
    g_slots[i].shrank.store(false);
    g_slots[i].begin.store(reinterpret_cast<std::uintptr_t>(at));
    g_slots[i].end.store(reinterpret_cast<std::uintptr_t>(at) + size);
    return i;
  }
  return MappedFile::kMost;
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::string& path) {
  const auto failed = [&path](const char* what) { return failure(path + ": " + what + ": " + std::strerror(errno)); };
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a FIFO is refused, not waited for
  if (fd < 0) return failed("cannot open");
  struct stat facts{};
  if (::fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    ::close(fd);
    return failure(path + ": not a regular file");
  }
  MappedFile file;
  file.path_ = path;
  file.size_ = static_cast<std::size_t>(facts.st_size);
  if (file.size_ > 0) {
    install_handler();
    void* const at = ::mmap(nullptr, file.size_, PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) {
      ::close(fd);
      return failed("cannot map");
    }
    file.at_ = static_cast<const Byte*>(at);
    file.slot_ = take_slot(file.at_, file.size_);
  }
  ::close(fd);
  if (file.size_ > 0 && file.slot_ == kMost)
    return failure(path + ": more than " + std::to_string(kMost) + " files mapped");
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept {
  *this = std::move(other);
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this == &other) return *this;
  release();
  path_ = std::move(other.path_);
  at_ = std::exchange(other.at_, nullptr);
  size_ = std::exchange(other.size_, 0);
  slot_ = std::exchange(other.slot_, kMost);
  return *this;
}

MappedFile::~MappedFile() {
  release();
}

void MappedFile::release() {
  if (at_ == nullptr) return;
  if (slot_ != kMost) {
    g_slots[slot_].begin.store(0);
    g_slots[slot_].end.store(0);
  }
  ::munmap(const_cast<Byte*>(at_), size_);
  at_ = nullptr;
}

bool MappedFile::shrank() const {
  return slot_ != kMost && g_slots[slot_].shrank.load();
}

}  // namespace seneschal::accountability
