// Elementary functions for blocks of values. No includes: this text also becomes part of generated kernels.
#pragma once

namespace fastsfes::vm {

inline double select(double a, double b, double c) { return a >= 0.0 ? b : c; }
inline double min(double a, double b) { return b < a ? b : a; }
inline double max(double a, double b) { return b > a ? b : a; }
inline double abs(double a) { return __builtin_fabs(a); }
inline double sqrt(double a) { return __builtin_sqrt(a); }
inline double cbrt(double a) { return __builtin_cbrt(a); }
inline double exp(double a) { return __builtin_exp(a); }
inline double expm1(double a) { return __builtin_expm1(a); }
inline double log(double a) { return __builtin_log(a); }
inline double log1p(double a) { return __builtin_log1p(a); }
inline double tanh(double a) { return __builtin_tanh(a); }
inline double erf(double a) { return __builtin_erf(a); }
inline double asinh(double a) { return __builtin_asinh(a); }
inline double pow(double a, double b) { return __builtin_pow(a, b); }

}  // namespace fastsfes::vm
