#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/jit/compiler.hpp"
#include "core/jit/lower.hpp"

namespace fastsfes::jit {

/// A function of a loaded library, which stays loaded as long as somebody holds the kernel.
struct Kernel {
  std::shared_ptr<void> library;
  KernelFunction function = nullptr;
};
using KernelPointer = std::shared_ptr<const Kernel>;

/// What happened so far in this process.
struct CacheStatistics {
  std::size_t compiled = 0;      ///< kernels compiled
  std::size_t units = 0;         ///< runs of the compiler
  std::size_t from_disk = 0;     ///< kernels loaded from the disk cache
  std::size_t from_memory = 0;   ///< kernels found in memory
  std::size_t in_memory = 0;     ///< kernels held now
  double compile_seconds = 0.0;  ///< wall time of the compiler
};

/// Compiled kernels: in memory, the least recently used leave first; on disk; and the compiler behind both.
class KernelCache {
 public:
  [[nodiscard]] static KernelCache& instance();

  /// The kernel from memory or disk; null when it would have to be compiled.
  KernelPointer find(const Program& program, Form form);

  /// Kernels for all programs, what is missing compiled together: several per translation unit, and several units at
  /// once when OpenMP allows more than one thread. Null where compiling failed; the reason becomes the warning.
  std::vector<KernelPointer> compile(std::span<const Program* const> programs, Form form);

  /// Fills the disk cache with the form Values for nodes of another instruction set; loads nothing. Returns how many
  /// programs are there now.
  std::size_t precompile(std::span<const Program* const> programs, Isa isa);

  /// True when some thread is compiling now.
  bool busy();

  /// The one warning about a missing compiler, a failing one or an unusable folder; empty once it was taken.
  std::string take_warning();

  /// True when compiling failed before in this process: nothing is tried again until `reset`.
  bool broken();

  CacheStatistics statistics();
  /// Forgets kernels in memory, earlier failures and warnings, and looks for compiler and folder again.
  void reset();
  std::string cache_path();
  std::string cache_problem();
  std::string compiler_identity();

 private:
  KernelPointer lookup(const std::string& signature);
  void remember(const std::string& signature, const KernelPointer& kernel);
  KernelPointer load(const std::string& path, const std::string& key);
  bool compile_unit(const std::vector<std::string>& bodies, const std::vector<std::string>& keys, Isa isa,
                    std::vector<KernelPointer>& kernels, std::string& problem);
  void compile_units(const std::vector<std::string>& bodies, const std::vector<std::string>& keys, Isa isa,
                     std::vector<KernelPointer>& made, std::vector<char>& done);
  void warn(const std::string& message);
  const Compiler& compiler();

  KernelCache();

  std::mutex mutex_;                           // guards everything below but the next
  std::unique_ptr<std::mutex> compile_mutex_;  // one compilation at a time; a forked child gets a new one
  std::list<std::pair<std::string, KernelPointer>> recent_;
  std::unordered_map<std::string, std::list<std::pair<std::string, KernelPointer>>::iterator> index_;
  CacheStatistics statistics_;
  std::string warning_;
  bool warned_ = false, broken_ = false, compiler_known_ = false;
  std::size_t units_since_pruning_ = 0;
  Compiler compiler_;
};

/// Names the code of a program for this package version, instruction set and set of flags; the compiler is not in it.
[[nodiscard]] std::string kernel_key(const std::string& body, Isa isa);

}  // namespace fastsfes::jit
