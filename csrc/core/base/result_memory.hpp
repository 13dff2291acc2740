#pragma once

#include <cstddef>
#include <memory>

namespace fastsfes {

struct ResultMemoryRelease {
  std::size_t bytes = 0;
  void operator()(double* memory) const noexcept;
};

/// Memory of a large result. Released, it is kept for the next result of about the same size, because pages that are
/// new to the process cost as much as the arithmetic of a functional: they have to be mapped and cleared first.
using ResultMemory = std::unique_ptr<double[], ResultMemoryRelease>;

/// Results from this size on come from here; below it the ordinary allocator keeps its pages itself.
constexpr std::size_t kLargeResult = std::size_t{1} << 20;

/// Uninitialised memory for `count` doubles, on huge pages where the system has them. Throws std::bad_alloc.
[[nodiscard]] ResultMemory take_result_memory(std::size_t count);

/// Bytes that are kept for later results at present: at most 512 MiB, which the system may take back when it runs short
/// of memory.
[[nodiscard]] std::size_t kept_result_memory() noexcept;

}  // namespace fastsfes
