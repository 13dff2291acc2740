// Registers of doubles for sources that are compiled once per instruction set; FASTSFES_LANES says how wide. Internal
// linkage throughout (see kernels.inl).
#pragma once

#include <cstddef>

#if FASTSFES_LANES > 1
#include <immintrin.h>
#endif

namespace fastsfes::fit {
namespace {
namespace lanes {

// smaller(x, y) and larger(x, y) are y where x is NaN; where_larger(x, y, z) is z where x > y, else NaN.
#if FASTSFES_LANES == 8
using Vec = __m512d;
[[nodiscard]] inline Vec zero() { return _mm512_setzero_pd(); }
[[nodiscard]] inline Vec load(const double* p) { return _mm512_loadu_pd(p); }
inline void store(double* p, Vec v) { _mm512_storeu_pd(p, v); }
[[nodiscard]] inline Vec broadcast(double x) { return _mm512_set1_pd(x); }
[[nodiscard]] inline Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_pd(a, b, c); }
[[nodiscard]] inline Vec mul(Vec a, Vec b) { return _mm512_mul_pd(a, b); }
[[nodiscard]] inline Vec div(Vec a, Vec b) { return _mm512_div_pd(a, b); }
// _mm512_min_pd starts from an undefined register, of which GCC 12 warns
[[nodiscard]] inline Vec smaller(Vec a, Vec b) { return _mm512_maskz_min_pd(0xff, a, b); }
[[nodiscard]] inline Vec larger(Vec a, Vec b) { return _mm512_maskz_max_pd(0xff, a, b); }
[[nodiscard]] inline Vec where_larger(Vec a, Vec b, Vec c) {
  return _mm512_mask_mov_pd(broadcast(__builtin_nan("")), _mm512_cmp_pd_mask(a, b, _CMP_GT_OQ), c);
}
#elif FASTSFES_LANES == 4
using Vec = __m256d;
[[nodiscard]] inline Vec zero() { return _mm256_setzero_pd(); }
[[nodiscard]] inline Vec load(const double* p) { return _mm256_loadu_pd(p); }
inline void store(double* p, Vec v) { _mm256_storeu_pd(p, v); }
[[nodiscard]] inline Vec broadcast(double x) { return _mm256_set1_pd(x); }
[[nodiscard]] inline Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_pd(a, b, c); }
[[nodiscard]] inline Vec mul(Vec a, Vec b) { return _mm256_mul_pd(a, b); }
[[nodiscard]] inline Vec div(Vec a, Vec b) { return _mm256_div_pd(a, b); }
[[nodiscard]] inline Vec smaller(Vec a, Vec b) { return _mm256_min_pd(a, b); }
[[nodiscard]] inline Vec larger(Vec a, Vec b) { return _mm256_max_pd(a, b); }
[[nodiscard]] inline Vec where_larger(Vec a, Vec b, Vec c) {
  return _mm256_blendv_pd(broadcast(__builtin_nan("")), c, _mm256_cmp_pd(a, b, _CMP_GT_OQ));
}
#else
using Vec = double;
[[nodiscard]] inline Vec zero() { return 0.0; }
[[nodiscard]] inline Vec load(const double* p) { return *p; }
inline void store(double* p, Vec v) { *p = v; }
[[nodiscard]] inline Vec broadcast(double x) { return x; }
[[nodiscard]] inline Vec fma(Vec a, Vec b, Vec c) { return __builtin_fma(a, b, c); }
[[nodiscard]] inline Vec mul(Vec a, Vec b) { return a * b; }
[[nodiscard]] inline Vec div(Vec a, Vec b) { return a / b; }
[[nodiscard]] inline Vec smaller(Vec a, Vec b) { return a < b ? a : b; }
[[nodiscard]] inline Vec larger(Vec a, Vec b) { return a > b ? a : b; }
[[nodiscard]] inline Vec where_larger(Vec a, Vec b, Vec c) { return a > b ? c : __builtin_nan(""); }
#endif

constexpr std::size_t kLanes = FASTSFES_LANES;

}  // namespace lanes
}  // namespace
}  // namespace fastsfes::fit
