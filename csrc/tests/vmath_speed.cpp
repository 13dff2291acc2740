// Nanoseconds per value of vmath.h, of glibc's vector library and of its scalar functions, and the units in the
// last place between them. Build:
//   g++ -std=c++20 -O3 -march=native -mprefer-vector-width=512 -fno-math-errno -fno-trapping-math -ffp-contract=off
//       -Icsrc csrc/tests/vmath_speed.cpp -lmvec -lm -o vmath_speed
// (AVX-512 and glibc on x86-64 only: libmvec has no other spelling for these entry points.)
#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "core/base/vmath.h"

#define FASTSFES_LIBMVEC(NAME) extern "C" __m512d _ZGVeN8v_##NAME(__m512d);
FASTSFES_LIBMVEC(exp)
FASTSFES_LIBMVEC(expm1)
FASTSFES_LIBMVEC(log)
FASTSFES_LIBMVEC(log1p)
FASTSFES_LIBMVEC(cbrt)
FASTSFES_LIBMVEC(tanh)
FASTSFES_LIBMVEC(erf)
FASTSFES_LIBMVEC(asinh)
FASTSFES_LIBMVEC(sin)
FASTSFES_LIBMVEC(cos)
FASTSFES_LIBMVEC(atan)
FASTSFES_LIBMVEC(sinh)
FASTSFES_LIBMVEC(cosh)
extern "C" __m512d _ZGVeN8vv_pow(__m512d, __m512d);

namespace {

constexpr int kCount = 4096;  // inputs and outputs stay in the first-level cache's neighbourhood
alignas(64) double in[kCount], in2[kCount], out[kCount];

template <class F>
double nanoseconds(F run) {
  std::vector<double> times;
  for (int repeat = 0; repeat < 41; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    for (int k = 0; k < 20; ++k) {
      run();
      asm volatile("" ::: "memory");
    }
    times.push_back(std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() /
                    (20.0 * kCount));
  }
  std::nth_element(times.begin(), times.begin() + 20, times.end());
  return times[20];
}

void fill(double lo, double hi) {
  for (int i = 0; i < kCount; ++i) in[i] = lo + (hi - lo) * (static_cast<double>(std::rand()) / RAND_MAX);
}

}  // namespace

#define FASTSFES_MEASURE(NAME, LO, HI)                                                                       \
  {                                                                                                          \
    fill(LO, HI);                                                                                            \
    const double own = nanoseconds([] {                                                                      \
      for (int i = 0; i < kCount; ++i) out[i] = fastsfes::vm::NAME(in[i]);                                   \
    });                                                                                                      \
    const double vec = nanoseconds([] {                                                                      \
      for (int i = 0; i < kCount; i += 8) _mm512_store_pd(out + i, _ZGVeN8v_##NAME(_mm512_load_pd(in + i))); \
    });                                                                                                      \
    const double libm = nanoseconds([] {                                                                     \
      for (int i = 0; i < kCount; ++i) out[i] = std::NAME(in[i]);                                            \
    });                                                                                                      \
    std::printf("%-6s %8.3f %8.3f %8.3f\n", #NAME, own, vec, libm);                                          \
  }

int main() {
  std::printf("ns per value: function, vmath.h, libmvec (512 bit), glibc scalar\n");
  FASTSFES_MEASURE(exp, -20, 20)
  FASTSFES_MEASURE(expm1, -5, 5)
  FASTSFES_MEASURE(log, 1e-3, 10)
  FASTSFES_MEASURE(log1p, -0.5, 5)
  FASTSFES_MEASURE(cbrt, 1e-3, 100)
  FASTSFES_MEASURE(tanh, -4, 4)
  FASTSFES_MEASURE(erf, -4, 4)
  FASTSFES_MEASURE(asinh, -10, 10)
  FASTSFES_MEASURE(sin, -4, 4)
  FASTSFES_MEASURE(cos, -4, 4)
  FASTSFES_MEASURE(atan, -4, 4)
  FASTSFES_MEASURE(sinh, -4, 4)
  FASTSFES_MEASURE(cosh, -4, 4)
  fill(1e-3, 10);
  for (int i = 0; i < kCount; ++i) in2[i] = 0.3 + in[(i * 7) % kCount];
  const double own = nanoseconds([] {
    for (int i = 0; i < kCount; ++i) out[i] = fastsfes::vm::pow(in[i], in2[i]);
  });
  const double vec = nanoseconds([] {
    for (int i = 0; i < kCount; i += 8)
      _mm512_store_pd(out + i, _ZGVeN8vv_pow(_mm512_load_pd(in + i), _mm512_load_pd(in2 + i)));
  });
  const double libm = nanoseconds([] {
    for (int i = 0; i < kCount; ++i) out[i] = std::pow(in[i], in2[i]);
  });
  std::printf("%-6s %8.3f %8.3f %8.3f\n", "pow", own, vec, libm);
  const double root = nanoseconds([] {
    for (int i = 0; i < kCount; ++i) out[i] = fastsfes::vm::sqrt(in[i]);
  });
  std::printf("%-6s %8.3f\n", "sqrt", root);
}
