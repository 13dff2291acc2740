// The interpreter's kernels, compiled once per instruction set (FASTSFES_KERNELS names the accessor, FASTSFES_ISA the
// set). Everything here has internal linkage, and no standard header with inline functions is included: code compiled
// for one instruction set must never be picked by the linker for another.
#include "core/base/vmath.h"
#include "core/program/kernels.hpp"

#ifdef __clang__
#define FASTSFES_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define FASTSFES_INDEPENDENT _Pragma("GCC ivdep")
#endif

namespace fastsfes {
namespace {

template <class F, bool A, bool B, bool C>
void apply(const double* a, const double* b, const double* c, double* out, std::size_t n) {
  // In place is allowed: every element is read before it is written, and elements do not meet.
  FASTSFES_INDEPENDENT
  for (std::size_t i = 0; i < n; ++i) {
    out[i] = F::value(a[A ? 0 : i], F::arity > 1 ? b[B ? 0 : i] : 0.0, F::arity > 2 ? c[C ? 0 : i] : 0.0);
  }
}

#define FASTSFES_KERNEL(NAME, ARITY, EXPRESSION)                                                                       \
  struct NAME {                                                                                                        \
    static constexpr int arity = ARITY;                                                                                \
    FASTSFES_VM static double value([[maybe_unused]] double a, [[maybe_unused]] double b, [[maybe_unused]] double c) { \
      return EXPRESSION;                                                                                               \
    }                                                                                                                  \
  };
FASTSFES_KERNEL(Copy, 1, a)
FASTSFES_KERNEL(Add, 2, a + b)
FASTSFES_KERNEL(Sub, 2, a - b)
FASTSFES_KERNEL(Mul, 2, a* b)
FASTSFES_KERNEL(Div, 2, a / b)
FASTSFES_KERNEL(Neg, 1, -a)
FASTSFES_KERNEL(Pow, 2, vm::pow(a, b))
FASTSFES_KERNEL(Fma, 3, __builtin_fma(a, b, c))
FASTSFES_KERNEL(Fms, 3, __builtin_fma(a, b, -c))
FASTSFES_KERNEL(Fnma, 3, __builtin_fma(-a, b, c))
FASTSFES_KERNEL(Select, 3, vm::select(a, b, c))
FASTSFES_KERNEL(Min, 2, vm::min(a, b))
FASTSFES_KERNEL(Max, 2, vm::max(a, b))
FASTSFES_KERNEL(Abs, 1, vm::abs(a))
FASTSFES_KERNEL(Sqrt, 1, vm::sqrt(a))
FASTSFES_KERNEL(Cbrt, 1, vm::cbrt(a))
FASTSFES_KERNEL(Exp, 1, vm::exp(a))
FASTSFES_KERNEL(Expm1, 1, vm::expm1(a))
FASTSFES_KERNEL(Log, 1, vm::log(a))
FASTSFES_KERNEL(Log1p, 1, vm::log1p(a))
FASTSFES_KERNEL(Tanh, 1, vm::tanh(a))
FASTSFES_KERNEL(Erf, 1, vm::erf(a))
FASTSFES_KERNEL(Asinh, 1, vm::asinh(a))
FASTSFES_KERNEL(Sin, 1, vm::sin(a))
FASTSFES_KERNEL(Cos, 1, vm::cos(a))
FASTSFES_KERNEL(Atan, 1, vm::atan(a))
FASTSFES_KERNEL(Sinh, 1, vm::sinh(a))
FASTSFES_KERNEL(Cosh, 1, vm::cosh(a))
#undef FASTSFES_KERNEL

template <class F>
void unary(Kernel (&row)[8]) {
  row[0] = apply<F, false, false, false>;
  row[1] = apply<F, true, false, false>;
}
template <class F>
void binary(Kernel (&row)[8]) {
  unary<F>(row);
  row[2] = apply<F, false, true, false>;
  row[3] = apply<F, true, true, false>;
}
template <class F>
void ternary(Kernel (&row)[8]) {
  binary<F>(row);
  row[4] = apply<F, false, false, true>;
  row[5] = apply<F, true, false, true>;
  row[6] = apply<F, false, true, true>;
  row[7] = apply<F, true, true, true>;
}

void weighted_sum(const double* w, const double* f, std::size_t n, double* lanes) {
  double part[kLanes];
  for (std::size_t k = 0; k < kLanes; ++k) part[k] = lanes[k];
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t k = 0; k < kLanes; ++k) {
      const double term = w[i + k] * f[i + k];
      part[k] += w[i + k] == 0.0 ? 0.0 : term;
    }
  }
  for (std::size_t k = 0; i < n; ++i, ++k) part[k] += w[i] == 0.0 ? 0.0 : w[i] * f[i];
  for (std::size_t k = 0; k < kLanes; ++k) lanes[k] = part[k];
}

KernelTable make_table() {
  KernelTable t{};
  const auto row = [&t](Op op) -> Kernel(&)[8] { return t.kernels[static_cast<int>(op)]; };
  unary<Copy>(row(Op::Constant));  // Constant stands for "copy" in a program
  binary<Add>(row(Op::Add));
  binary<Sub>(row(Op::Sub));
  binary<Mul>(row(Op::Mul));
  binary<Div>(row(Op::Div));
  unary<Neg>(row(Op::Neg));
  binary<Pow>(row(Op::Pow));
  ternary<Fma>(row(Op::Fma));
  ternary<Fms>(row(Op::Fms));
  ternary<Fnma>(row(Op::Fnma));
  ternary<Select>(row(Op::Select));
  binary<Min>(row(Op::Min));
  binary<Max>(row(Op::Max));
  unary<Abs>(row(Op::Abs));
  unary<Sqrt>(row(Op::Sqrt));
  unary<Cbrt>(row(Op::Cbrt));
  unary<Exp>(row(Op::Exp));
  unary<Expm1>(row(Op::Expm1));
  unary<Log>(row(Op::Log));
  unary<Log1p>(row(Op::Log1p));
  unary<Tanh>(row(Op::Tanh));
  unary<Erf>(row(Op::Erf));
  unary<Asinh>(row(Op::Asinh));
  unary<Sin>(row(Op::Sin));
  unary<Cos>(row(Op::Cos));
  unary<Atan>(row(Op::Atan));
  unary<Sinh>(row(Op::Sinh));
  unary<Cosh>(row(Op::Cosh));
  t.weighted_sum = weighted_sum;
  return t;
}

}  // namespace

const KernelTable& FASTSFES_KERNELS() noexcept {
  static const KernelTable table = make_table();
  return table;
}

}  // namespace fastsfes
