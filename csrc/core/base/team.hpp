#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>

#include "core/base/fork.hpp"
#include "core/base/stop.hpp"

namespace fastsfes {

/// Another library's OpenMP, by two functions that GCC's, LLVM's and Intel's have: GOMP_parallel, omp_get_max_threads.
struct OpenMP {
  void (*parallel)(void (*)(void*), void*, unsigned, unsigned);
  int (*max_threads)();
};

/// From now on teams are those of that OpenMP. A process with two has two sets of threads, and those of one wait
/// actively, for milliseconds after each of its parallel regions, on cores that the other one needs.
void borrow_threads(const OpenMP& other) noexcept;

/// Number of threads to use: `requested`, or OpenMP's own choice (OMP_NUM_THREADS is honoured) when it is 0; one in a
/// forked child.
[[nodiscard]] int thread_count(int requested) noexcept;

/// Calls run(data) in each of `size` threads; run throws nothing.
void run_team(int size, void (*run)(void*), void* data);

/// The first exception of a team.
class Failure {
 public:
  /// Keeps the exception that is being handled, unless there is one already.
  void keep() noexcept;
  void rethrow() const;

 private:
  std::atomic<bool> kept_{false};
  std::exception_ptr first_;
};

/// Who of a team is at work: lets the thread that may ask whether to stop do so while others still are.
class Roll {
 public:
  void enter() noexcept;
  void leave() noexcept;
  void wait_for_others() const;

 private:
  std::atomic<int> working_{0};
};

/// Calls body() in each of `size` threads, in this one alone when size is 1. Where one throws, the exception leaves
/// from here once all have ended.
template <class Body>
void in_team(int size, Body&& body) {
  if (size <= 1 || is_forked_child()) return body();
  Failure failure;
  StopWatch* const watch = StopWatch::current();
  auto guarded = [&]() noexcept {
    const Watched watched(watch);
    try {
      body();
    } catch (...) {
      failure.keep();
    }
  };
  run_team(size, [](void* data) { (*static_cast<decltype(guarded)*>(data))(); }, &guarded);
  failure.rethrow();
}

/// Calls body(i) for 0 <= i < count, in up to `threads` threads (see thread_count), as they become free. Can be stopped
/// between two parts; after an exception no further part is begun.
template <class Body>
void for_each_part(std::size_t count, int threads, Body&& body) {
  const auto team = static_cast<int>(std::min<std::size_t>(static_cast<std::size_t>(thread_count(threads)), count));
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    try {
      for (std::size_t i = 0; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) {
        check_stop();
        body(i);
      }
    } catch (...) {
      next.store(count, std::memory_order_relaxed);
      throw;
    }
  };
  if (team <= 1) return work();
  Roll roll;
  in_team(team, [&] {
    roll.enter();
    try {
      work();
    } catch (...) {
      roll.leave();
      throw;
    }
    roll.leave();
    roll.wait_for_others();
  });
}

}  // namespace fastsfes
