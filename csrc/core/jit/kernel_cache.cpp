#include "core/jit/kernel_cache.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <utility>

#include "core/base/fork.hpp"
#include "core/base/sha256.hpp"
#include "core/base/team.hpp"
#include "core/base/version.hpp"
#include "core/jit/disk_cache.hpp"

namespace fastsfes::jit {
namespace {

constexpr std::size_t kMemoryKernels = 2048;
constexpr std::size_t kUnitKernels = 32;                         // kernels that share a translation unit
constexpr std::size_t kPruneEvery = 64;                          // units
constexpr unsigned long long kDiskLimit = 512ull * 1024 * 1024;  // bytes
constexpr char kAdvice[] =
    "; expressions are interpreted, with the same numbers but slower. Install a C++ compiler or set CXX, or run "
    "`fastsfes precompile` where there is one";

std::string symbol_of(const std::string& key) { return "fastsfes_" + key.substr(0, 32); }

/// The compiler and the optimisation that it is asked for; they change the speed of a kernel, not its results.
std::string tag_of(const Compiler& compiler) {
  if (!compiler.found()) return "";
  std::string text = compiler.identity;
  for (const std::string& flag : optimisation_flags(compiler)) text += " " + flag;
  text += " " + std::to_string(kLongKernel);
  return sha256(text).substr(0, 12);
}

std::string signature_of(const Program& program, Form form) {
  return (form == Form::Sums ? "s" : "v") + program.signature();
}

/// Removes files and a folder at the end, also when the work is left by an exception.
struct Cleanup {
  std::vector<std::string> files;
  std::string folder;
  ~Cleanup() {
    for (const std::string& file : files) ::unlink(file.c_str());
    if (!folder.empty()) ::rmdir(folder.c_str());
  }
};

}  // namespace

std::string kernel_key(const std::string& body, Isa isa) {
  static const std::string fixed = sha256(prelude()) + "\n" + version() + "\n";
  std::string text = fixed + isa_name(isa) + "\n";
  for (const std::string& flag : kernel_flags(isa)) text += flag + " ";
  return sha256(text + "\n" + body);
}

KernelCache& KernelCache::instance() {
  static KernelCache* const cache = new KernelCache;  // never destroyed: kernels are used, and made, until the very end
  return *cache;
}

KernelCache::KernelCache() : compile_mutex_(std::make_unique<std::mutex>()) {
  hold_at_fork(mutex_);
  // A compilation lasts too long for a fork to wait for it; who waits for it in the child would wait for ever.
  call_in_forked_child([] {
    std::unique_ptr<std::mutex>& mutex = instance().compile_mutex_;
    static_cast<void>(mutex.release());  // it may be locked
    mutex = std::make_unique<std::mutex>();
  });
}

const Compiler& KernelCache::compiler() {
  if (!compiler_known_) {
    compiler_ = find_compiler();
    compiler_known_ = true;
  }
  return compiler_;
}

KernelPointer KernelCache::lookup(const std::string& signature) {
  const auto it = index_.find(signature);
  if (it == index_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, it->second);
  ++statistics_.from_memory;
  return it->second->second;
}

void KernelCache::remember(const std::string& signature, const KernelPointer& kernel) {
  if (index_.contains(signature)) return;
  recent_.emplace_front(signature, kernel);
  index_[signature] = recent_.begin();
  while (recent_.size() > kMemoryKernels) {
    index_.erase(recent_.back().first);
    recent_.pop_back();
  }
}

KernelPointer KernelCache::load(const std::string& path, const std::string& key) {
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return nullptr;
  std::shared_ptr<void> library(handle, [](void* h) { ::dlclose(h); });
  auto kernel = std::make_shared<Kernel>();
  kernel->library = std::move(library);
  kernel->function = reinterpret_cast<KernelFunction>(::dlsym(handle, symbol_of(key).c_str()));
  return kernel->function != nullptr ? kernel : nullptr;
}

KernelPointer KernelCache::find(const Program& program, Form form) {
  const std::string signature = signature_of(program, form);
  std::string tag;
  {
    const std::lock_guard lock(mutex_);
    if (KernelPointer kernel = lookup(signature)) return kernel;
    tag = tag_of(compiler());
  }
  const std::string key = kernel_key(lower_body(program, form, best_isa()), best_isa());
  const CacheDirectory directory = open_cache_directory();
  const std::string path = find_entry(directory, key, tag);
  KernelPointer kernel = path.empty() ? nullptr : load(path, key);
  if (!path.empty() && !kernel) ::unlink(path.c_str());
  if (kernel) {
    const std::lock_guard lock(mutex_);
    ++statistics_.from_disk;
    remember(signature, kernel);
  }
  return kernel;
}

bool KernelCache::compile_unit(const std::vector<std::string>& bodies, const std::vector<std::string>& keys, Isa isa,
                               std::vector<KernelPointer>& kernels, std::string& problem) {
  Compiler compiler;
  {
    const std::lock_guard lock(mutex_);
    compiler = this->compiler();
  }
  if (!compiler.found()) {
    problem = "no C++ compiler found (looked for $CXX, c++, g++, clang++)";
    return false;
  }
  const CacheDirectory directory = open_cache_directory();
  // An unusable folder costs the cache, not the kernels: they are made in a private place and loaded from there.
  if (directory.writable) {
    static std::once_flag swept;  // once in a process
    std::call_once(swept, sweep_temporaries, directory);
  }
  const std::string scratch = directory.writable ? directory.path : make_scratch_directory();
  if (scratch.empty()) {
    problem = directory.problem + ", and there is no temporary space either";
    return false;
  }
  std::vector<std::string> symbols;
  for (const std::string& key : keys) symbols.push_back(symbol_of(key));
  const std::string source = temporary_name(scratch, ".cpp"), object = temporary_name(scratch, ".o"),
                    log = temporary_name(scratch, ".log");
  const Cleanup cleanup{{source, object, log}, scratch != directory.path ? scratch : ""};
  bool ok = false;
  {
    std::ofstream file(source);
    file << translation_unit(bodies, symbols);
    file.close();
    ok = file.good();
  }
  if (!ok) {
    problem = "cannot write " + source;
  } else {
    // every operation has a line of its own
    const bool long_kernels = std::any_of(bodies.begin(), bodies.end(), [](const std::string& body) {
      return std::count(body.begin(), body.end(), '\n') >= static_cast<std::ptrdiff_t>(kLongKernel);
    });
    const CompileResult result = run_compiler(compiler, isa, source, object, log, long_kernels);
    ok = result.ok;
    problem = result.message;
  }
  if (ok && !seal_entry(object)) {
    ok = false;
    problem = "the compiler left no usable file " + object;
  }
  if (ok) {
    const bool kept = directory.writable && publish_entry(directory, object, keys, tag_of(compiler));
    kernels.assign(keys.size(), nullptr);
    for (std::size_t k = 0; isa == best_isa() && k < keys.size(); ++k) {
      kernels[k] = load(kept ? find_entry(directory, keys[k], tag_of(compiler)) : object, keys[k]);
      if (!kernels[k]) {
        ok = false;
        const char* why = ::dlerror();
        problem = "a compiled kernel cannot be loaded" + (why != nullptr ? ": " + std::string(why) : "");
      }
    }
    if (!directory.writable) {
      const std::lock_guard lock(mutex_);
      warn(directory.problem + "; kernels are compiled anew in every process");
    }
  }
  return ok;
}

void KernelCache::compile_units(const std::vector<std::string>& bodies, const std::vector<std::string>& keys, Isa isa,
                                std::vector<KernelPointer>& made, std::vector<char>& done) {
  made.assign(bodies.size(), nullptr);
  done.assign(bodies.size(), 0);
  if (bodies.empty() || broken()) return;
  const auto start = std::chrono::steady_clock::now();
  const auto team = static_cast<std::size_t>(thread_count(0));
  // A few large units, one per processor; the kernels are dealt out in turn, so that each holds its share of long ones.
  const std::size_t units = std::max((bodies.size() + kUnitKernels - 1) / kUnitKernels,
                                     bodies.size() >= 8 ? std::min(team, bodies.size() / 4) : std::size_t{1});
  std::vector<std::string> problems(units);
  for_each_part(units, 0, [&](std::size_t part) {
    std::vector<std::string> unit_bodies, unit_keys;
    std::vector<KernelPointer> unit_kernels;
    for (std::size_t k = part; k < bodies.size(); k += units) {
      unit_bodies.push_back(bodies[k]);
      unit_keys.push_back(keys[k]);
    }
    std::string& problem = problems[part];
    if (!compile_unit(unit_bodies, unit_keys, isa, unit_kernels, problem)) return;
    problem.clear();
    for (std::size_t j = 0; j < unit_kernels.size(); ++j) {
      made[part + j * units] = unit_kernels[j];
      done[part + j * units] = 1;
    }
  });
  const std::lock_guard lock(mutex_);
  statistics_.compile_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  statistics_.units += units;
  for (const char d : done) statistics_.compiled += d ? 1 : 0;
  for (const std::string& problem : problems) {
    if (problem.empty() || compiling_cancelled()) continue;
    broken_ = true;
    warn(problem + kAdvice);
  }
  units_since_pruning_ += units;
  if (units_since_pruning_ < kPruneEvery) return;
  units_since_pruning_ = 0;
  const CacheDirectory directory = open_cache_directory();
  if (directory.writable) prune_entries(directory, kDiskLimit);
}

std::vector<KernelPointer> KernelCache::compile(std::span<const Program* const> programs, Form form) {
  const std::lock_guard serial(*compile_mutex_);
  std::vector<KernelPointer> kernels(programs.size());
  std::vector<std::string> bodies, keys, signatures;
  std::unordered_map<std::string, std::size_t> position;  // key -> index into bodies
  std::vector<std::size_t> wanted(programs.size(), 0);
  for (std::size_t i = 0; i < programs.size(); ++i) {
    kernels[i] = find(*programs[i], form);
    if (kernels[i]) continue;
    std::string body = lower_body(*programs[i], form, best_isa());
    const std::string key = kernel_key(body, best_isa());
    const auto [it, fresh] = position.emplace(key, bodies.size());
    wanted[i] = it->second;
    if (!fresh) continue;
    bodies.push_back(std::move(body));
    keys.push_back(key);
    signatures.push_back(signature_of(*programs[i], form));
  }
  std::vector<KernelPointer> made;
  std::vector<char> done;
  compile_units(bodies, keys, best_isa(), made, done);
  const std::lock_guard lock(mutex_);
  for (std::size_t k = 0; k < made.size(); ++k) {
    if (made[k]) remember(signatures[k], made[k]);
  }
  for (std::size_t i = 0; i < programs.size(); ++i) {
    if (!kernels[i]) kernels[i] = made[wanted[i]];
  }
  return kernels;
}

std::size_t KernelCache::precompile(std::span<const Program* const> programs, Isa isa) {
  const std::lock_guard serial(*compile_mutex_);
  const CacheDirectory directory = open_cache_directory();
  std::string tag;
  {
    const std::lock_guard lock(mutex_);
    tag = tag_of(compiler());
  }
  std::vector<std::string> bodies, keys;
  std::vector<std::size_t> copies;  // how many of the programs have this code
  std::unordered_map<std::string, std::size_t> position;
  std::size_t present = 0;
  for (const Program* program : programs) {
    std::string body = lower_body(*program, Form::Values, isa);
    const std::string key = kernel_key(body, isa);
    if (!find_entry(directory, key, tag).empty()) {
      ++present;
      continue;
    }
    const auto [it, fresh] = position.emplace(key, bodies.size());
    if (!fresh) {
      ++copies[it->second];
      continue;
    }
    bodies.push_back(std::move(body));
    keys.push_back(key);
    copies.push_back(1);
  }
  std::vector<KernelPointer> made;
  std::vector<char> done;
  compile_units(bodies, keys, isa, made, done);
  for (std::size_t k = 0; k < keys.size(); ++k) present += done[k] ? copies[k] : 0;
  return present;
}

bool KernelCache::busy() {
  if (!compile_mutex_->try_lock()) return true;
  compile_mutex_->unlock();
  return false;
}

void KernelCache::warn(const std::string& message) {
  if (warned_) return;
  warned_ = true;
  warning_ = message;
}

std::string KernelCache::take_warning() {
  const std::lock_guard lock(mutex_);
  return std::exchange(warning_, "");
}

bool KernelCache::broken() {
  const std::lock_guard lock(mutex_);
  return broken_;
}

CacheStatistics KernelCache::statistics() {
  const std::lock_guard lock(mutex_);
  CacheStatistics s = statistics_;
  s.in_memory = recent_.size();
  return s;
}

void KernelCache::reset() {
  const std::lock_guard lock(mutex_);
  recent_.clear();
  index_.clear();
  statistics_ = {};
  warning_.clear();
  warned_ = broken_ = compiler_known_ = false;
}

std::string KernelCache::cache_path() { return open_cache_directory().path; }
std::string KernelCache::cache_problem() { return open_cache_directory().problem; }

std::string KernelCache::compiler_identity() {
  const std::lock_guard lock(mutex_);
  return compiler().identity;
}

}  // namespace fastsfes::jit
