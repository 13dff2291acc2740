#include "core/base/team.hpp"

#include <atomic>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace fastsfes {
namespace {

std::atomic<const OpenMP*> borrowed{nullptr};

}  // namespace

void borrow_threads(const OpenMP& other) noexcept {
  static const OpenMP kept = other;  // of several libraries, the first
  borrowed.store(&kept, std::memory_order_release);
}

int thread_count(int requested) noexcept {
  if (requested > 0) return requested;
  if (const OpenMP* other = borrowed.load(std::memory_order_acquire)) return other->max_threads();
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}

void run_team(int size, void (*run)(void*), void* data) {
  if (const OpenMP* other = borrowed.load(std::memory_order_acquire)) {
    other->parallel(run, data, static_cast<unsigned>(size), 0);
    return;
  }
#pragma omp parallel num_threads(size)
  run(data);
}

}  // namespace fastsfes
