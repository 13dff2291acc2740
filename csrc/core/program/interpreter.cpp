#include "core/program/interpreter.hpp"

#include <cstdlib>
#include <string>

#include "core/program/kernels.hpp"

namespace fastsfes {

const KernelTable& kernels() noexcept {
#if defined(FASTSFES_X86)
  static const KernelTable& best = [&]() -> const KernelTable& {
    __builtin_cpu_init();
    // FASTSFES_ISA is a limit: what the processor lacks is never used.
    const char* text = std::getenv("FASTSFES_ISA");
    const std::string limit = text == nullptr ? "" : text;
    const bool avx512 =
        __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (avx512 && limit != "avx2" && limit != "generic") return kernels_avx512();
    if (avx2 && limit != "generic") return kernels_avx2();
    return kernels_generic();
  }();
  return best;
#else
  return kernels_generic();
#endif
}

const char* interpreter_isa() noexcept { return kernels().isa; }

void interpret_block(const Program& program, const double* uniforms, const double* const* features,
                     double* const* outputs, std::size_t n, double* scratch) noexcept {
  const KernelTable& table = kernels();
  for (const Instruction& ins : program.instructions()) {
    const double* args[3] = {uniforms, uniforms, uniforms};
    int variant = 0;
    for (int i = 0; i < ins.arity; ++i) {
      const Operand& o = ins.args[static_cast<std::size_t>(i)];
      switch (o.place) {
        case Place::Register:
          args[i] = scratch + o.index * kBlock;
          break;
        case Place::Feature:
          args[i] = features[o.index];
          break;
        case Place::Output:
          args[i] = outputs[o.index];
          break;
        case Place::Uniform:
          args[i] = uniforms + o.index;
          variant |= 1 << i;
          break;
      }
    }
    double* target =
        ins.target.place == Place::Output ? outputs[ins.target.index] : scratch + ins.target.index * kBlock;
    table.kernels[static_cast<int>(ins.op)][variant](args[0], args[1], args[2], target, n);
  }
}

}  // namespace fastsfes
