#include "core/base/result_memory.hpp"

#include <cstdlib>
#include <list>
#include <mutex>
#include <new>

#include "core/base/fork.hpp"

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace fastsfes {
namespace {

constexpr std::size_t kPage = std::size_t{2} << 20;    // a huge page: blocks begin and end with one
constexpr std::size_t kKept = std::size_t{512} << 20;  // bytes

struct Block {
  double* memory;
  std::size_t bytes;
};

/// Blocks that nobody uses, the last released first.
class Store {
 public:
  Store() { hold_at_fork(mutex_); }

  double* take(std::size_t bytes, std::size_t& size) {
    const std::lock_guard lock(mutex_);
    for (auto it = free_.begin(); it != free_.end(); ++it) {
      // not a much larger one: it would be missed where it is needed
      if (it->bytes < bytes || it->bytes > bytes + bytes / 4) continue;
      double* memory = it->memory;
      size = it->bytes;
      kept_ -= size;
      free_.erase(it);
      return memory;
    }
    return nullptr;
  }

  void give(Block block) {
    std::list<Block> surplus;
    {
      const std::lock_guard lock(mutex_);
      free_.push_front(block);
      kept_ += block.bytes;
      while (kept_ > kKept) {
        kept_ -= free_.back().bytes;
        surplus.splice(surplus.begin(), free_, std::prev(free_.end()));
      }
    }
    for (const Block& b : surplus) std::free(b.memory);
  }

  std::size_t kept() {
    const std::lock_guard lock(mutex_);
    return kept_;
  }

 private:
  std::mutex mutex_;
  std::list<Block> free_;
  std::size_t kept_ = 0;
};

Store& store() {
  static Store* const instance = new Store;  // never destroyed: arrays may outlive everything else
  return *instance;
}

}  // namespace

void ResultMemoryRelease::operator()(double* memory) const noexcept {
#if defined(__linux__) && defined(MADV_FREE)
  // The content is of no use any more: under pressure the system may take the pages instead of swapping.
  ::madvise(memory, bytes, MADV_FREE);
#endif
  try {
    store().give({memory, bytes});
  } catch (...) {
    std::free(memory);
  }
}

ResultMemory take_result_memory(std::size_t count) {
  const std::size_t bytes = (count * sizeof(double) + kPage - 1) / kPage * kPage;
  std::size_t size = bytes;
  double* memory = store().take(bytes, size);
  if (memory == nullptr) {
    memory = static_cast<double*>(std::aligned_alloc(kPage, bytes));
    if (memory == nullptr) throw std::bad_alloc();
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    ::madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  }
  return {memory, ResultMemoryRelease{size}};
}

std::size_t kept_result_memory() noexcept { return store().kept(); }

}  // namespace fastsfes
