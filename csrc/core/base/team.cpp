#include "core/base/team.hpp"

#include <chrono>
#include <thread>

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
  if (is_forked_child()) return 1;
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

void Failure::keep() noexcept {
  if (!kept_.exchange(true)) first_ = std::current_exception();
}

void Failure::rethrow() const {
  if (first_) std::rethrow_exception(first_);
}

void Roll::enter() noexcept { working_.fetch_add(1, std::memory_order_acq_rel); }
void Roll::leave() noexcept { working_.fetch_sub(1, std::memory_order_acq_rel); }

void Roll::wait_for_others() const {
  const StopWatch* watch = StopWatch::current();
  if (watch == nullptr || !watch->is_owner()) return;
  // Who has not entered finds no part left. Short parts end at once, long ones may take minutes: the pauses grow.
  std::chrono::microseconds pause{20};
  while (working_.load(std::memory_order_acquire) > 0) {
    check_stop();
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, std::chrono::microseconds{20000});
  }
}

}  // namespace fastsfes
