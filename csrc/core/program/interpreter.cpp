#include "core/program/interpreter.hpp"

#include <cassert>

#include "core/base/isa.hpp"
#include "core/program/kernels.hpp"

namespace fastsfes {

const KernelTable& kernels() {
  static const KernelTable& best = FASTSFES_BY_ISA(kernels);
  return best;
}

void interpret_block(const Program& program, const double* uniforms, const double* const* features,
                     double* const* outputs, std::size_t n, double* scratch) {
  assert(n <= kBlock);
  const KernelTable& table = kernels();
  for (const Instruction& ins : program.instructions()) {
    const double* args[3] = {uniforms, uniforms, uniforms};
    int variant = 0;
    assert(ins.target.place == Place::Output || ins.target.index < program.registers());
    for (int i = 0; i < ins.arity; ++i) {
      const Operand& o = ins.args[static_cast<std::size_t>(i)];
      switch (o.place) {
        case Place::Register:
          assert(o.index < program.registers());
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
