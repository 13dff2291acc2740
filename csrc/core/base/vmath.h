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

// ---- sin, cos, atan, sinh, cosh ---------------------------------------------------------------------------------

// 2^(32 j) 2/pi less its multiples of 4, as sums of four doubles; j = 0 in full.
constexpr double kTwoOverPi[31][4] = {
    {0x1.45f306dc9c883p-1, -0x1.6b01ec5417056p-55, -0x1.6447e493ad4cep-109, 0x1.e21c820ff28b2p-163},
    {0x1.27220a94fe13bp+1, -0x1.05c1596447e49p-53, -0x1.d6a66c3bc6fbep-108, -0x1.ae9c5421443aap-168},
    {0x1.fc2757d1f534ep+0, -0x1.1f924eb53361ep-55, 0x1.c820ff28b1d5fp-111, -0x1.443a9e48db91cp-168},
    {0x1.f534ddc0db629p+0, 0x1.664f10e4107f9p-54, 0x1.163abdebbc562p-108, -0x1.236e4716f6c8bp-162},
    {0x1.b6c52b3278872p-1, 0x1.07f9458eaf7afp-58, -0x1.d4f246dc8e2dfp-115, 0x1.374b801924bbbp-170},
    {0x1.3c439041fe516p+0, 0x1.d5ef5de2b0db9p-55, 0x1.1b8e909374b80p-110, 0x1.924bba8274648p-166},
    {0x1.fe5163abdebbcp+0, 0x1.586dc91b8e909p-54, 0x1.ba5c00c925dd4p-109, 0x1.3a32439fc3bd6p-165},
    {0x1.ef5de2b0db923p+1, 0x1.c74849ba5c00dp-53, -0x1.b688afb1736f2p-107, 0x1.fc3bd63962535p-161},
    {0x1.b7246e3a424ddp+0, 0x1.700324977504fp-55, -0x1.cdbc603c429c7p-109, 0x1.894d39f74411bp-163},
    {0x1.2126e97003249p+1, 0x1.dd413a32439fcp-53, 0x1.deb1cb129a73fp-108, -0x1.77dca0ad144bbp-164},
    {0x1.924bba8274648p-6, 0x1.cfe1deb1cb12ap-60, -0x1.63045df7282b4p-114, -0x1.44bb7b16638fep-168},
    {0x1.04e8c90e7f0efp+1, 0x1.63962534e7dd1p-53, 0x1.1afa975da2427p-111, 0x1.338e04d68befdp-165},
    {0x1.fc3bd63962535p-1, -0x1.822efb9415a29p-57, 0x1.a24274ce38136p-111, -0x1.741037d8cdc54p-165},
    {0x1.62534e7dd1047p-1, -0x1.0568a25dbd8b3p-55, -0x1.c7eca5d040df6p-111, -0x1.9b8a719f2b318p-166},
    {0x1.74411afa975dap+1, 0x1.213a671c09ad1p-54, 0x1.f7e413991d63ap-108, -0x1.f2b3182d8dee8p-162},
    {0x1.2ebb4484e99c7p+0, 0x1.35a2fbf209cc9p-59, -0x1.4e33e566305b2p-115, 0x1.08bf177bf2507p-169},
    {0x1.d338e04d68bf0p-1, -0x1.bec66e29c67cbp-56, 0x1.9cfa4e422fc5ep-111, -0x1.036be27003b40p-167},
    {0x1.5a2fbf209cc8fp+1, -0x1.38cf9598c16c7p-53, 0x1.17e2ef7e4a0ecp-110, 0x1.ff897ffde0598p-164},
    {0x1.3991d63983534p+0, -0x1.82d8dee81d108p-54, -0x1.b5f13801da001p-110, 0x1.e05980fef2f12p-164},
    {0x1.835339f49c846p+0, -0x1.d1081b5f13802p-58, 0x1.2fffbc0b301fep-113, -0x1.a1dce94beb25cp-169},
    {0x1.3908bf177bf25p-1, 0x1.d8ffc4bffef03p-59, -0x1.9fc04343b9d29p-114, -0x1.f592e092c9813p-168},
    {0x1.defc941d8ffc5p+1, -0x1.00043f4cfe022p-53, 0x1.788c5ad053690p-107, -0x1.25930261b069fp-161},
    {0x1.8ffc4bffef02dp+1, -0x1.fc04343b9d298p-54, 0x1.4da3eda6cfd9ep-109, 0x1.3e584dba7a320p-163},
    {0x1.ef02cc07f7979p+1, -0x1.ce94beb25c126p-53, 0x1.b3f6793e584dcp-107, -0x1.61738132c3403p-161},
    {0x1.f79788c5ad053p+1, 0x1.a3eda6cfd9e50p-53, -0x1.a7b24585ce04dp-107, 0x1.3cbfd45aea4f7p-161},
    {0x1.ad05368fb69b4p+1, -0x1.30d834f648b0cp-56, 0x1.8fd9a797fa8b6p-110, -0x1.5b08a7028341dp-165},
    {0x1.b69b3f6793e58p+1, 0x1.36e9e8c7ecd3dp-53, -0x1.00ae9456c229cp-107, -0x1.41a0e84c2f8c6p-164},
    {0x1.93e584dba7a32p+1, -0x1.32c3402ba515bp-57, -0x1.14e050683a131p-114, 0x1.0739f78a5292fp-168},
    {0x1.a7a31fb34f2ffp+1, 0x1.45aea4f758fd8p-53, -0x1.a0e84c2f8c608p-108, -0x1.d6b5b45650128p-162},
    {0x1.4f2ff516ba93ep+1, -0x1.4e050683a130cp-54, 0x1.ce7de294a4baap-110, -0x1.404a04ee072a3p-164},
    {0x1.7527bac7ebe5fp+0, 0x1.7b3d0739f78a5p-56, 0x1.497535fdafd89p-111, -0x1.ca8bdea7f33eep-170},
};

// a + b = sum + lost, exactly.
struct Sum {
  double sum, lost;
};
FASTSFES_VM Sum two_sum(double a, double b) {
  const double sum = a + b;
  const double back = sum - a;
  return {sum, (a - (sum - back)) + (b - back)};
}

// x = quadrant pi/2 + high + low with |high| <= pi/4 or hardly more; the lowest bits of `quadrant` count.
struct Reduced {
  double high, low;
  u64 quadrant;
};
FASTSFES_VM Reduced reduced_angle(double x) {
  constexpr double magic = 0x1.8p52, eights = 0x1.8p55;  // added and taken away: the nearest integer, multiple of 8
  // x 2/pi by pieces with errors of 1e-38, far less than the nearest that a double comes to a multiple of pi/2 (1e-19).
  // Beyond 2^84 multiples of 4 are left out of 2/pi: there x 2^(-32 j) is still an integer.
  const u64 field = (bits(x) >> 52) & 0x7ff;
  const u64 j = field < 1023 + 84 ? 0 : (field - (1023 + 52)) >> 5;
  const double m = x * from_bits((1023 - 32 * j) << 52);
  const double t0 = kTwoOverPi[j][0], t1 = kTwoOverPi[j][1], t2 = kTwoOverPi[j][2], t3 = kTwoOverPi[j][3];
  double p0 = m * t0, p1 = m * t1;
  const double p2 = m * t2;
  double q0 = fma(m, t0, -p0);
  const double q1 = fma(m, t1, -p1), q2 = fma(m, t2, -p2);
  p0 = fabs(p0) < 0x1p54 ? p0 - ((p0 + eights) - eights) : p0 - p0;  // NaN and Inf go on as NaN
  p1 -= 4.0 * ((0.25 * p1 + magic) - magic);
  q0 -= 4.0 * ((0.25 * q0 + magic) - magic);
  const Sum a = two_sum(p0, q0), b = two_sum(a.sum, p1);
  const double n = b.sum + magic;
  // What is left of the integer, the largest first; the rest is added up in two doubles.
  const Sum c = two_sum(b.sum - (n - magic), q1), d = two_sum(c.sum, p2);
  const Sum e = two_sum(a.lost, b.lost), f = two_sum(e.sum, c.lost), g = two_sum(f.sum, d.lost);
  const Sum h = two_sum(g.sum, fma(m, t3, q2)), r = two_sum(d.sum, h.sum);
  const double tail = r.lost + ((e.lost + f.lost) + (g.lost + h.lost));
  const double high = r.sum * 0x1.921fb54442d18p+0;
  const double low =
      fma(r.sum, 0x1.921fb54442d18p+0, -high) + fma(r.sum, 0x1.1a62633145c07p-54, tail * 0x1.921fb54442d18p+0);
  return {high, low, bits(n)};
}

// sin(x + shift pi/2)
FASTSFES_VM double sin_shifted(double x, u64 shift) {
  const Reduced y = reduced_angle(x);
  const double z = y.high * y.high, z2 = z * z, z4 = z2 * z2;
  const double s01 = fma(0x1.111111110f84fp-7, z, -0x1.5555555555549p-3);
  const double s23 = fma(0x1.71de3571f87b6p-19, z, -0x1.a01a019c0b891p-13);
  const double s45 = fma(0x1.5d9187735c198p-33, z, -0x1.ae5e6169ec223p-26);
  const double s = fma(s45, z4, fma(s23, z2, s01));
  const double sine = y.high + fma(y.high * z, s, fma(-0.5 * z, y.low, y.low));
  const double c01 = fma(-0x1.6c16c16c15146p-10, z, 0x1.555555555554cp-5);
  const double c23 = fma(-0x1.27e4f805a4422p-22, z, 0x1.a01a019cac0a5p-16);
  const double c45 = fma(-0x1.8facfb58439d8p-37, z, 0x1.1ee9e8df9e3a2p-29);
  const double c = fma(c45, z4, fma(c23, z2, c01));
  const double half = 0.5 * z, near = 1.0 - half;
  const double cosine = near + (((1.0 - near) - half) + fma(z2, c, -y.high * y.low));
  const u64 quadrant = y.quadrant + shift;
  const double value = (quadrant & 1) == 0 ? sine : cosine;
  return from_bits(bits(value) ^ ((quadrant & 2) << 62));
}

FASTSFES_VM double sin(double x) {
  const double y = sin_shifted(x, 0);
  return fabs(x) < 0x1p-27 ? x : y;
}

FASTSFES_VM double cos(double x) { return sin_shifted(x, 1); }

FASTSFES_VM double atan(double x) {
  const double a = fabs(x);
  const bool large = a > 1.0;  // there pi/2 - atan(1/a)
  const double b = large ? 1.0 / a : a;
  const double z = b * b, z2 = z * z, z4 = z2 * z2, z8 = z4 * z4;
  const double p01 = fma(0x1.9999999998d44p-3, z, -0x1.555555555554ep-2);
  const double p23 = fma(0x1.c71c71b7439b7p-4, z, -0x1.249249245b0d8p-3);
  const double p45 = fma(0x1.3b139ce21e041p-4, z, -0x1.745d15e5a095cp-4);
  const double p67 = fma(0x1.e1d50784dd849p-5, z, -0x1.11103c209cc39p-4);
  const double p89 = fma(0x1.84bdd5f6e2aa7p-5, z, -0x1.aedcd097b4accp-5);
  const double pab = fma(0x1.39464896e3407p-5, z, -0x1.5f406da1e366fp-5);
  const double pcd = fma(0x1.add62f46787c0p-6, z, -0x1.0d0d2c848278ep-5);
  const double pef = fma(0x1.758f2dcbb946cp-7, z, -0x1.32857a029d245p-6);
  const double pgh = fma(0x1.1d79026a5ab09p-9, z, -0x1.736387a0059f3p-8);
  const double pij = fma(0x1.bb43c683ff348p-14, z, -0x1.3b76e583c374cp-11);
  const double p07 = fma(fma(p67, z2, p45), z4, fma(p23, z2, p01));
  const double p8f = fma(fma(pef, z2, pcd), z4, fma(pab, z2, p89));
  const double pgk = fma(-0x1.282f5a4b17c81p-17, z4, fma(pij, z2, pgh));
  const double tail = b * z * fma(fma(pgk, z8, p8f), z8, p07);
  const double y = large ? 0x1.921fb54442d18p+0 - (b + (tail - 0x1.1a62633145c07p-54)) : b + tail;
  return copysign(y, x);
}

// exp(a)/2 for a >= 0, finite as long as it is a double.
FASTSFES_VM double half_exp(double a) {
  const Sum s = two_sum(a > 720.0 ? 720.0 : a, -0x1.62e42fefa39efp-1);
  return exp_sum(s.sum, s.lost - 0x1.abc9e3b39803fp-56);
}

FASTSFES_VM double sinh(double x) {
  const double a = fabs(x);
  const double b = a < 1.0 ? a : 1.0;
  const double z = b * b, z2 = z * z, z4 = z2 * z2;
  const double p01 = fma(0x1.11111111110a1p-7, z, 0x1.5555555555556p-3);
  const double p23 = fma(0x1.71de3a45f7385p-19, z, 0x1.a01a01a0291f7p-13);
  const double p45 = fma(0x1.611a3a19332a1p-33, z, 0x1.ae6467668d01bp-26);
  const double p46 = fma(0x1.b4cf7c4547ce3p-41, z2, p45);
  const double small = fma(b * z, fma(p46, z4, fma(p23, z2, p01)), b);
  const double half = half_exp(a);
  return copysign(a < 1.0 ? small : half - 0.25 / half, x);
}

FASTSFES_VM double cosh(double x) {
  const double half = half_exp(fabs(x));
  return half + 0.25 / half;
}

// ---- power ------------------------------------------------------------------------------------------------------

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
