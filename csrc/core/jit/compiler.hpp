#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/base/isa.hpp"

namespace fastsfes::jit {

/// The system's C++ compiler: the first of $CXX, c++, g++, clang++ that can be executed.
struct Compiler {
  std::vector<std::string> command;  ///< program (absolute path) and the words that $CXX adds to it
  std::string identity;              ///< resolved path, size and time of change: a new compiler is another compiler
  [[nodiscard]] bool found() const noexcept { return !command.empty(); }
};

/// Looks for the compiler; starts no process. Throws InputError when $CXX names a program that does not exist.
[[nodiscard]] Compiler find_compiler();

/// Operations from which a kernel is so long that the compiler is to keep their order.
constexpr std::size_t kLongKernel = 1800;

/// Flags that say how hard the compiler should try; they change no result. `long_kernels`: see kLongKernel.
[[nodiscard]] std::vector<std::string> optimisation_flags(const Compiler& compiler, bool long_kernels = false);

/// Flags that make a kernel for an instruction set ("generic", "avx2", "avx512").
[[nodiscard]] std::vector<std::string> kernel_flags(Isa isa);

struct CompileResult {
  bool ok = false;
  std::string message;  ///< what went wrong, with the compiler's first lines
};

/// Ends the compilers that run and lets no other start: the process is about to end.
void cancel_compiling() noexcept;
[[nodiscard]] bool compiling_cancelled() noexcept;

/// Runs the compiler on a source file, without a shell, its standard streams away from ours.
[[nodiscard]] CompileResult run_compiler(const Compiler& compiler, Isa isa, const std::string& source,
                                         const std::string& target, const std::string& log, bool long_kernels);

}  // namespace fastsfes::jit
