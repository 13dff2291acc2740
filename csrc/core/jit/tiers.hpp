#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>

#include "core/jit/kernel_cache.hpp"

namespace fastsfes::jit {

/// Who evaluates a program. All give the same bits.
enum class Backend : int {
  Default = -1,     ///< what set_backend said, at first $FASTSFES_BACKEND or Automatic
  Automatic = 0,    ///< the interpreter, and the compiled kernel once the work pays for the compilation
  Interpreter = 1,  ///< never compile
  Compiled = 2,     ///< compile before the first evaluation
};

/// Throws InputError when $FASTSFES_BACKEND is none of auto, interpreter, compiled.
[[nodiscard]] Backend backend();
void set_backend(Backend backend);

/// What a program remembers about one compiled form; copies of a program share it.
struct Slot {
  std::atomic<KernelFunction> function{nullptr};
  std::atomic<double> work{0.0};       ///< nanoseconds the interpreter is estimated to have spent
  std::atomic<bool> searched{false};   ///< the caches were asked
  std::atomic<bool> requested{false};  ///< the kernel is being made in the background, or could not be made
  KernelPointer kernel;
};

struct Slots {
  std::array<Slot, 2> of;           ///< by form
  std::atomic<bool> reused{false};  ///< it will be evaluated again and again: a functional, not a candidate
};

/// Estimated nanoseconds of one core per point in the interpreter, and of compiling the program.
[[nodiscard]] double interpreter_cost(const Program& program) noexcept;
[[nodiscard]] double compile_cost(const Program& program) noexcept;

/// The compiled function to use for `points` points, or null: interpret.
[[nodiscard]] KernelFunction choose(const Program& program, Form form, std::size_t points, Backend backend);

/// Compiles all programs together and attaches the kernels; returns how many have one.
std::size_t compile_all(std::span<const Program* const> programs, Form form);

}  // namespace fastsfes::jit
