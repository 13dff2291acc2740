// Array loops over the functions of vmath.h with C linkage: what the accuracy and speed measurements call.
#include "core/base/vmath.h"

#define FASTSFES_UNARY(NAME)                                                            \
  extern "C" void vm_##NAME(const double* __restrict x, double* __restrict y, long n) { \
    for (long i = 0; i < n; ++i) y[i] = fastsfes::vm::NAME(x[i]);                       \
  }

FASTSFES_UNARY(exp)
FASTSFES_UNARY(expm1)
FASTSFES_UNARY(log)
FASTSFES_UNARY(log1p)
FASTSFES_UNARY(cbrt)
FASTSFES_UNARY(sqrt)
FASTSFES_UNARY(tanh)
FASTSFES_UNARY(erf)
FASTSFES_UNARY(asinh)
FASTSFES_UNARY(sin)
FASTSFES_UNARY(cos)
FASTSFES_UNARY(atan)
FASTSFES_UNARY(sinh)
FASTSFES_UNARY(cosh)

extern "C" void vm_pow(const double* __restrict x, const double* __restrict y, double* __restrict z, long n) {
  for (long i = 0; i < n; ++i) z[i] = fastsfes::vm::pow(x[i], y[i]);
}
