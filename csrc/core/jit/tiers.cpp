#include "core/jit/tiers.hpp"

#include <cstdlib>
#include <string>

#include "core/base/error.hpp"
#include "core/base/fork.hpp"
#include "core/jit/background.hpp"

namespace fastsfes::jit {
namespace {

// A compilation is worth its price once the interpreter has spent this multiple of it on the program: what was
// interpreted so far is the best guess of what is still to come, and a kernel saves between a third of it (functions)
// and three quarters (arithmetic), half in the middle. `fastsfes-bench kernels` prints the measured break-even.
constexpr double kBreakEven = 2.0;
// Looking into the disk cache costs about half a millisecond.
constexpr double kSearch = 2e6;

Backend backend_of_environment() {
  const char* text = std::getenv("FASTSFES_BACKEND");
  const std::string name = text != nullptr ? text : "";
  if (name.empty() || name == "auto") return Backend::Automatic;
  if (name == "interpreter") return Backend::Interpreter;
  if (name == "compiled") return Backend::Compiled;
  throw InputError("FASTSFES_BACKEND: \"" + name + "\" is unknown; expected auto, interpreter or compiled");
}

std::atomic<int>& chosen_backend() {
  static std::atomic<int> value = static_cast<int>(backend_of_environment());
  return value;
}

void attach(Slot& slot, KernelPointer kernel) {
  static std::mutex& mutex = []() -> std::mutex& {
    static std::mutex* const made = new std::mutex;
    hold_at_fork(*made);
    return *made;
  }();
  const std::lock_guard lock(mutex);
  if (slot.kernel) return;  // another thread may run it already: it stays
  slot.kernel = std::move(kernel);
  slot.function.store(slot.kernel->function, std::memory_order_release);
}

}  // namespace

Backend backend() { return static_cast<Backend>(chosen_backend().load()); }
void set_backend(Backend backend) { chosen_backend().store(static_cast<int>(backend)); }

double interpreter_cost(const Program& program) noexcept {
  double cost = 0.0;
  for (const Instruction& ins : program.instructions()) cost += op_info(ins.op).cost;
  return cost;
}

double compile_cost(const Program& program) noexcept {
  double cost = 60e6;
  for (const Instruction& ins : program.instructions()) cost += op_info(ins.op).cost >= 1.0 ? 8e6 : 0.3e6;
  return cost;
}

KernelFunction choose(const Program& program, Form form, std::size_t points, Backend wanted) {
  Slot& slot = program.slot(form);
  if (wanted == Backend::Default) wanted = backend();
  if (wanted == Backend::Interpreter) return nullptr;
  if (KernelFunction function = slot.function.load(std::memory_order_acquire)) return function;
  KernelCache& cache = KernelCache::instance();
  if (wanted == Backend::Automatic) {
    const double now = static_cast<double>(points) * interpreter_cost(program);
    const double work = slot.work.load(std::memory_order_relaxed) + now;
    slot.work.store(work, std::memory_order_relaxed);
    if (work < kSearch) return nullptr;
    if (!slot.searched.exchange(true)) {
      if (KernelPointer kernel = cache.find(program, form)) {
        attach(slot, std::move(kernel));
        return slot.function.load(std::memory_order_acquire);
      }
    }
    const double worth = kBreakEven * compile_cost(program);
    if (now < worth) {
      // While the kernel is made, or another is, interpreting is quicker than waiting.
      if (work < worth && !program.reused()) return nullptr;
      if (cache.broken() || compile_in_background(program, form)) return nullptr;
      if (work < worth || cache.busy()) return nullptr;
    } else if (!slot.requested && cache.busy()) {
      return nullptr;
    }
  }
  if (cache.broken()) return nullptr;
  const Program* const one[] = {&program};
  if (KernelPointer kernel = cache.compile(one, form)[0]) attach(slot, std::move(kernel));
  return slot.function.load(std::memory_order_acquire);
}

std::size_t compile_all(std::span<const Program* const> programs, Form form) {
  const std::vector<KernelPointer> kernels = KernelCache::instance().compile(programs, form);
  std::size_t count = 0;
  for (std::size_t i = 0; i < programs.size(); ++i) {
    if (!kernels[i]) continue;
    attach(programs[i]->slot(form), kernels[i]);
    ++count;
  }
  return count;
}

}  // namespace fastsfes::jit
