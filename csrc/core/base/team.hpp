#pragma once

#include <memory>
#include <type_traits>

namespace fastsfes {

/// Another library's OpenMP, by two functions that GCC's, LLVM's and Intel's have: GOMP_parallel, omp_get_max_threads.
struct OpenMP {
  void (*parallel)(void (*)(void*), void*, unsigned, unsigned);
  int (*max_threads)();
};

/// From now on evaluations run in the threads of that OpenMP. A process with two has two sets of threads, and those
/// of one wait actively, for milliseconds after each of its parallel regions, on cores that the other one needs.
void borrow_threads(const OpenMP& other) noexcept;

/// Number of threads to use: `requested`, or OpenMP's own choice (OMP_NUM_THREADS is honoured) when it is 0.
int thread_count(int requested) noexcept;

/// Calls run(data) in each of `size` threads; run throws nothing.
void run_team(int size, void (*run)(void*), void* data);

/// Calls body() in each of `size` threads, in this one alone when size is 1.
template <class Body>
void in_team(int size, Body&& body) {
  if (size <= 1) return body();
  run_team(
      size, [](void* data) { (*static_cast<std::remove_reference_t<Body>*>(data))(); },
      const_cast<void*>(static_cast<const volatile void*>(std::addressof(body))));
}

}  // namespace fastsfes
