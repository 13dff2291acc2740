// Elementary functions on doubles that compilers vectorise, with the same bits on every instruction set.
//
// This text is compiled into the core and also pasted in front of every run-time kernel, so that interpreter and
// kernels agree in every bit. It therefore includes nothing (parsing headers would cost more than the kernel), calls
// nothing, and never branches: special cases are selects. Fused multiply-adds are written out, the build uses
// -ffp-contract=off, and conversions between integers and doubles go through the bits of a large constant, because
// AVX2 has no instruction for them. Loops over these functions vectorise with
// -O3 -fno-math-errno -fno-trapping-math (neither changes a value). Coefficients: csrc/tools/vmath_coefficients.py.
//
// Accuracy: 2 ulp or better over the whole range, denormals, zeros, infinities and NaN included
// (test_vmath.py measures it; docs/kernels.md has the table).
#ifndef FASTSFES_CORE_VMATH_H
#define FASTSFES_CORE_VMATH_H

#define FASTSFES_VM __attribute__((always_inline)) inline

namespace fastsfes::vm {

using u64 = unsigned long long;

FASTSFES_VM u64 bits(double x) { return __builtin_bit_cast(u64, x); }
FASTSFES_VM double from_bits(u64 x) { return __builtin_bit_cast(double, x); }
FASTSFES_VM double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
FASTSFES_VM double fabs(double x) { return __builtin_fabs(x); }
FASTSFES_VM double abs(double x) { return __builtin_fabs(x); }
// NaN comes out wherever it goes in: as a condition and as either argument. Bitwise or: both comparisons are masks.
FASTSFES_VM double select(double a, double b, double c) {
  const double other = a != a ? a : c;
  return a >= 0.0 ? b : other;
}
FASTSFES_VM double min(double a, double b) { return static_cast<int>(b < a) | static_cast<int>(b != b) ? b : a; }
FASTSFES_VM double max(double a, double b) { return static_cast<int>(b > a) | static_cast<int>(b != b) ? b : a; }
FASTSFES_VM double flip_sign(double x) { return from_bits(bits(x) ^ 0x8000000000000000ull); }
FASTSFES_VM double copysign(double magnitude, double sign) {
  return from_bits((bits(magnitude) & 0x7fffffffffffffffull) | (bits(sign) & 0x8000000000000000ull));
}
FASTSFES_VM double sqrt(double x) { return __builtin_sqrt(x); }

inline constexpr double kInf = __builtin_inf();
inline constexpr double kNaN = __builtin_nan("");
inline constexpr double kLn2Hi = 0x1.62e42fee00000p-1;  // 32 trailing zero bits: e * kLn2Hi is exact
inline constexpr double kLn2Lo = 0x1.a39ef35793c76p-33;
inline constexpr double kLog2e = 0x1.71547652b82fep+0;

// ---- exponential ------------------------------------------------------------------------------------------------

// (exp(r) - 1 - r) / r^2 on |r| <= ln(2)/2, error 4e-18 relative to exp(r).
FASTSFES_VM double exp_tail(double r) {
  const double r2 = r * r, r4 = r2 * r2;
  const double p01 = fma(0x1.55555555554f9p-3, r, 0x1.000000000000ap-1);
  const double p23 = fma(0x1.1111111127e97p-7, r, 0x1.555555555089fp-5);
  const double p45 = fma(0x1.a01a0129834d2p-13, r, 0x1.6c16c184242b6p-10);
  const double p67 = fma(0x1.71df26f7a46a2p-19, r, 0x1.a0199a193c306p-16);
  const double p89 = fma(0x1.ad7d1e6535d57p-26, r, 0x1.28ad68d2dd6fdp-22);
  const double p03 = fma(p23, r2, p01);
  const double p47 = fma(p67, r2, p45);
  return fma(fma(p89, r4, p47), r4, p03);
}

// exp(x + low) for |low| far below |x|: the low part is what pow needs.
FASTSFES_VM double exp_sum(double x, double low) {
  x = x < -750.0 ? -750.0 : x;  // both comparisons keep NaN
  x = x > 710.0 ? 710.0 : x;
  constexpr double magic = 0x1.8p52 + 2046.0;  // the low bits of t hold n + 2046, never negative
  const double t = fma(x, kLog2e, magic);
  const double n = t - magic;
  double r = fma(n, -kLn2Hi, x);
  r = fma(n, -kLn2Lo, r) + low;
  const double p = 1.0 + fma(r * r, exp_tail(r), r);
  // 2^n in two factors, so that overflow and gradual underflow come out of the products.
  const u64 k = bits(t), half = k >> 1;
  return p * from_bits(half << 52) * from_bits((k - half) << 52);
}

FASTSFES_VM double exp(double x) { return exp_sum(x, -0.0); }

FASTSFES_VM double expm1(double x) {
  double a = x < -45.0 ? -45.0 : x;
  a = a > 710.0 ? 710.0 : a;
  constexpr double magic = 0x1.8p52 + 1022.0;  // the low bits of t hold the exponent field of 2^(n-1)
  const double t = fma(a, kLog2e, magic);
  const double n = t - magic;
  const double high = fma(n, -kLn2Hi, a);
  const double low = n * kLn2Lo;
  const double r = high - low;
  const double lost = (high - r) - low;
  const double q = r + fma(r * r, exp_tail(r), fma(lost, r, lost));
  const double scale = from_bits(bits(t) << 52);  // 2^(n-1): finite for n = 1024
  const double y = 2.0 * fma(scale, q, scale - 0.5);
  return fabs(x) < 0x1p-54 ? x : y;
}

// ---- logarithm --------------------------------------------------------------------------------------------------

// log(1 + f) + e ln 2 for 1 + f in [sqrt(1/2), sqrt(2)).
FASTSFES_VM double log_reduced(double f, double e) {
  const double s = f / (2.0 + f);
  const double z = s * s, z2 = z * z, z4 = z2 * z2;
  const double p01 = fma(0x1.999999997fdb6p-2, z, 0x1.5555555555592p-1);
  const double p23 = fma(0x1.c71c52088fc8cp-3, z, 0x1.24924941f1accp-2);
  const double p45 = fma(0x1.39a1b35a6fd2dp-3, z, 0x1.74663f23726e6p-3);
  const double p03 = fma(p23, z2, p01);
  const double p46 = fma(0x1.2f05b96aabac8p-3, z2, p45);
  const double tail = z * fma(p46, z4, p03);
  const double half = 0.5 * f * f;
  const double small = half - fma(s, half + tail, e * kLn2Lo);
  return fma(e, kLn2Hi, f - small);
}

// Exponent field of x / sqrt(1/2) rounded down, so that x 2^(1023 - field) lies in [sqrt(1/2), sqrt(2)).
FASTSFES_VM u64 log_field(u64 u) { return (u + (0x3ff0000000000000ull - 0x3fe6a09e667f3bcdull)) >> 52; }
FASTSFES_VM double field_to_exponent(u64 field) { return from_bits(field | 0x4330000000000000ull) - (0x1p52 + 1023.0); }

FASTSFES_VM double log_specials(double x, double y) {
  y = x < kInf ? y : x;
  const double edge = x == 0.0 ? -kInf : kNaN;
  return x > 0.0 ? y : edge;
}

FASTSFES_VM double log(double x) {
  const bool denormal = x < 0x1p-1022;
  const u64 u = bits(denormal ? x * 0x1p54 : x);
  const u64 field = log_field(u);
  const double m = from_bits(u - (field << 52) + 0x3ff0000000000000ull);
  const double e = field_to_exponent(field) - (denormal ? 54.0 : 0.0);
  return log_specials(x, log_reduced(m - 1.0, e));
}

FASTSFES_VM double log1p_sum(double x, double low) {
  const double u = 1.0 + x;
  const double v = u - 1.0;
  const double lost = ((1.0 - (u - v)) + (x - v)) + low;  // 1 + x + low = u + lost
  const u64 b = bits(u);
  const u64 field = log_field(b);
  const double m = from_bits(b - (field << 52) + 0x3ff0000000000000ull);
  const double scaled = lost * from_bits((2046ull - field) << 52);
  // Beyond 2^60 the lost part cannot matter, and 2^-e may not be a number. With e = 0 the sum is x itself.
  const double f = (m - 1.0) + (x < 0x1p60 ? scaled : 0.0);
  return log_specials(u, log_reduced(f, field_to_exponent(field)));
}

FASTSFES_VM double log1p(double x) {
  const double y = log1p_sum(x, -0.0);
  return fabs(x) < 0x1p-54 ? x : y;
}

FASTSFES_VM double asinh(double x) {
  const double a = fabs(x);
  const bool huge = a > 0x1p54;  // asinh(a) = log(a) + ln 2 to working precision; a^2 may overflow
  const double b = huge ? 1.0 : a;
  const double c = (b * b) / (1.0 + sqrt(fma(b, b, 1.0)));
  const double sum = b + c;
  const double back = sum - b;
  const double lost = (b - (sum - back)) + (c - back);
  const double y = log1p_sum(huge ? a : sum, huge ? 0.0 : lost) + (huge ? 0x1.62e42fefa39efp-1 : 0.0);
  return a < 0x1p-28 ? x : copysign(y, x);
}

// ---- cube root --------------------------------------------------------------------------------------------------

FASTSFES_VM double cbrt(double x) {
  const double a = fabs(x);
  const bool denormal = a < 0x1p-1022;
  const double z = denormal ? a * 0x1p54 : a;
  // The upper half of a double's bits is nearly linear in its logarithm: a constant less a third of it is the upper
  // half of an estimate of z^(-1/3), good to 4 %. Here the half stands in the low bits of a double of exponent 52.
  const double upper = from_bits((bits(z) >> 32) | 0x4330000000000000ull);
  const double t = fma(upper, -0x1.5555555555555p-2, 0x1p52 * (4.0 / 3.0) + 1430183936.0);
  const double g = from_bits(bits(t) << 32);
  // g (1 - h)^(-1/3) with h = 1 - z g^3, to 2e-6.
  const double h0 = fma(-(z * (g * g)), g, 1.0);
  const double p01 = fma(0x1.5550abaad7dc1p-2, h0, 0x1.ffffc065a46dcp-1);
  const double p23 = fma(0x1.6aaa53ea2419ep-3, h0, 0x1.ca221f0838965p-3);
  const double r = g * fma(p23, h0 * h0, p01);
  // With y = z r^2 and h = 1 - y r the root is y (1 - h)^(-2/3), in which the rounding of y cancels to a third.
  const double y = z * (r * r);
  const double h = fma(-y, r, 1.0);
  const double series = fma(fma(0x1.f9add3c0ca458p-2, h, 0x1.1c71c71c71c72p-1), h, 0x1.5555555555555p-1);
  const double root = fma(y * h, series, y) * (denormal ? 0x1p-18 : 1.0);
  return a < kInf ? copysign(root, x) : x;
}

// ---- tanh, erf --------------------------------------------------------------------------------------------------

FASTSFES_VM double tanh(double x) {
  const double a = fabs(x);
  const double t = expm1(-2.0 * a);
  const bool large = a > 0.55;  // there 1 - 2 exp(-2a)/(1 + exp(-2a)) loses less
  const double ratio = (large ? fma(2.0, t, 2.0) : -t) / (t + 2.0);
  const double y = copysign(large ? 1.0 - ratio : ratio, x);
  return a < 0x1p-28 ? x : y;
}

FASTSFES_VM double erf(double x) {
  const double a = fabs(x);
  // Up to 1: x + x P(x^2).
  const double c = a < 1.0 ? a : 1.0;
  const double z = c * c, z2 = z * z, z4 = z2 * z2, z8 = z4 * z4;
  const double s01 = fma(-0x1.812746b0379c2p-2, z, 0x1.06eba8214db68p-3);
  const double s23 = fma(-0x1.b82ce312062bcp-6, z, 0x1.ce2f21a041018p-4);
  const double s45 = fma(-0x1.c02db072f3fe0p-11, z, 0x1.565bccfa9a825p-8);
  const double s67 = fma(-0x1.f4ca94990cb86p-17, z, 0x1.f9a2bf73f0c68p-14);
  const double s89 = fma(-0x1.5c16e30fb0d45p-23, z, 0x1.b9827b1885f9bp-20);
  const double sab = fma(-0x1.acdff90b8ebd8p-31, z, 0x1.d784936618cc2p-27);
  const double s8b = fma(sab, z2, s89);
  const double s47 = fma(s67, z2, s45);
  const double s03 = fma(s23, z2, s01);
  const double small = fma(a, fma(s8b, z8, fma(s47, z4, s03)), a);
  // Above: 1 - exp(-x^2) P(x - 1), where P approximates exp(x^2) erfc(x). Only absolute errors count. Formulas with an
  // erf have this exp, too (its derivative, range separation), and compilers see that they are the same.
  double t = a - 1.0;
  t = t > 4.95 ? 4.95 : t;  // keeps NaN
  const double t2 = t * t, t4 = t2 * t2, t8 = t4 * t4, t16 = t8 * t8;
  const double g01 = fma(-0x1.17c4e3f17bf81p-2, t, 0x1.b5d8780f956b2p-2);
  const double g23 = fma(-0x1.44837f8785201p-4, t, 0x1.3c27283c2bbadp-3);
  const double g45 = fma(-0x1.10fceed70438ap-6, t, 0x1.33cad0c483494p-5);
  const double g67 = fma(-0x1.6af0696b7d69cp-9, t, 0x1.c8cb54e391efdp-8);
  const double g89 = fma(-0x1.9021cbcc17533p-12, t, 0x1.134713f998cc2p-10);
  const double gab = fma(-0x1.74806eabbfc8ep-15, t, 0x1.17163ce405dd1p-13);
  const double gcd = fma(-0x1.12b3291ec6a87p-18, t, 0x1.d66130ba10686p-17);
  const double gef = fma(-0x1.00c37c3677458p-22, t, 0x1.1ee07d24f9d37p-20);
  const double ggh = fma(-0x1.a6c3223cec92ep-28, t, 0x1.77377e4ccf07dp-25);
  const double gij = fma(-0x1.5975dd08f08c8p-35, t, 0x1.54592cede1279p-31);
  const double g03 = fma(g23, t2, g01);
  const double g47 = fma(g67, t2, g45);
  const double g8b = fma(gab, t2, g89);
  const double gcf = fma(gef, t2, gcd);
  const double ggj = fma(gij, t2, ggh);
  const double g07 = fma(g47, t4, g03);
  const double g8f = fma(gcf, t4, g8b);
  const double ggk = fma(0x1.4a1f35c22f3c7p-40, t4, ggj);
  const double scaled = fma(ggk, t16, fma(g8f, t8, g07));
  const double large = fma(-exp(-(a * a)), scaled, 1.0);
  return copysign(a < 1.0 ? small : large, x);
}

FASTSFES_VM double pow(double x, double y) {
  const double a = fabs(x);
  const bool denormal = a < 0x1p-1022;
  const u64 u = bits(denormal ? a * 0x1p54 : a);
  const u64 field = log_field(u);
  const double m = from_bits(u - (field << 52) + 0x3ff0000000000000ull);
  const double e = field_to_exponent(field) - (denormal ? 54.0 : 0.0);
  // s = (m - 1)/(m + 1) = sh + sl
  const double f = m - 1.0, d = m + 1.0, dl = (1.0 - d) + m;
  const double inverse = 1.0 / d;
  const double sh = f * inverse;
  const double sl = fma(-sh, dl, fma(-sh, d, f)) * inverse;
  // z = s^2 = zh + zl
  const double zh = sh * sh;
  const double zl = fma(sh + sh, sl, fma(sh, sh, -zh));
  // atanh(s)/s = 1 + z/3 + z^2 P(z): w = z/3 + z^2 P(z) = wh + wl
  const double z2 = zh * zh, z4 = z2 * z2;
  const double p01 = fma(0x1.249249249302ep-3, zh, 0x1.9999999999996p-3);
  const double p23 = fma(0x1.745d183207666p-4, zh, 0x1.c71c71c5811dfp-4);
  const double p45 = fma(0x1.1120b34a99889p-4, zh, 0x1.3b1362c79ed13p-4);
  const double p67 = fma(0x1.eb0ea1b78f0f9p-5, zh, 0x1.de33c5b23d88bp-5);
  const double p = fma(fma(p67, z2, p45), z4, fma(p23, z2, p01));
  const double th = zh * 0x1.5555555555555p-2;
  const double tl = fma(zh, 0x1.5555555555555p-2, -th) + fma(zh, 0x1.5555555555555p-56, zl * 0x1.5555555555555p-2);
  const double wh = fma(z2, p, th);
  const double wl = fma(z2, p, th - wh) + tl;
  // log(m) = 2 (s + s w)
  const double ch = sh * wh;
  const double cl = fma(sh, wh, -ch) + fma(sl, wh, fma(sh, wl, sl));
  const double bh = 2.0 * (sh + ch);
  const double bl = 2.0 * ((sh - 0.5 * bh) + ch + cl);
  // log(a) = lh + ll
  const double eh = e * kLn2Hi;
  const double lh = eh + bh;
  const double ll = ((eh - lh) + bh) + fma(e, kLn2Lo, bl);
  // y log(a), limited where exp has long overflowed so that no 0 * Inf arises
  const double yc = y > 0x1p70 ? 0x1p70 : (y < -0x1p70 ? -0x1p70 : y);
  const double vh = yc * lh;
  const double vl = fma(yc, lh, -vh) + yc * ll;
  const double inside = fabs(vh) < 760.0 ? vl : 0.0;
  double value = exp_sum(vh, inside);
  value = a == 0.0 ? (y > 0.0 ? 0.0 : kInf) : value;
  value = a == kInf ? (y > 0.0 ? kInf : 0.0) : value;
  // Parity of y: integers have no fraction after adding and removing 2^52; above 2^53 all are even. Truth values are
  // numbers here: GCC does not vectorise logic on conditions that are the same for all points.
  const double ya = fabs(y), yh = 0.5 * ya;
  const double integer = ya >= 0x1p52 ? 1.0 : ((ya + 0x1p52) - 0x1p52 == ya ? 1.0 : 0.0);
  const double even = yh >= 0x1p52 ? 1.0 : ((yh + 0x1p52) - 0x1p52 == yh ? 1.0 : 0.0);
  const double sign = integer - even > 0.5 ? -1.0 : 1.0;  // of x^y for x < 0
  const double broken = integer > 0.5 ? 1.0 : kNaN;       // a negative number to a power that is not an integer
  value *= copysign(1.0, x) < 0.0 ? sign : 1.0;
  value *= x < 0.0 ? (a < kInf ? broken : 1.0) : 1.0;
  value = x == x ? value : kNaN;
  value = y == y ? value : kNaN;
  const double unit = ya == kInf ? 1.0 : value;  // (-1)^(+-Inf)
  value = x == -1.0 ? unit : value;
  value = x == 1.0 ? 1.0 : value;
  return y == 0.0 ? 1.0 : value;
}

}  // namespace fastsfes::vm

#endif
