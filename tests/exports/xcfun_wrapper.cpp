// Calls an exported template with double and with dual numbers.
#include "HEADER"

#include <cmath>
#include <cstddef>

struct Dual {
  double v = 0.0, d = 0.0;
  Dual(double value) : v(value) {}
  Dual(double value, double slope) : v(value), d(slope) {}
};
inline Dual operator+(const Dual& a, const Dual& b) { return {a.v + b.v, a.d + b.d}; }
inline Dual operator-(const Dual& a, const Dual& b) { return {a.v - b.v, a.d - b.d}; }
inline Dual operator-(const Dual& a) { return {-a.v, -a.d}; }
inline Dual operator*(const Dual& a, const Dual& b) { return {a.v * b.v, a.d * b.v + a.v * b.d}; }
inline Dual operator/(const Dual& a, const Dual& b) { return {a.v / b.v, (a.d - a.v / b.v * b.d) / b.v}; }
inline bool operator<(const Dual& a, const Dual& b) { return a.v < b.v; }
inline bool operator>(const Dual& a, const Dual& b) { return a.v > b.v; }
inline bool operator!=(const Dual& a, const Dual& b) { return a.v != b.v; }
inline Dual sqrt(const Dual& a) { return {std::sqrt(a.v), 0.5 * a.d / std::sqrt(a.v)}; }
inline Dual cbrt(const Dual& a) { return {std::cbrt(a.v), a.d / (3.0 * std::cbrt(a.v) * std::cbrt(a.v))}; }
inline Dual exp(const Dual& a) { return {std::exp(a.v), a.d * std::exp(a.v)}; }
inline Dual expm1(const Dual& a) { return {std::expm1(a.v), a.d * std::exp(a.v)}; }
inline Dual log(const Dual& a) { return {std::log(a.v), a.d / a.v}; }
inline Dual erf(const Dual& a) { return {std::erf(a.v), a.d * 1.1283791670955126 * std::exp(-a.v * a.v)}; }
inline Dual sin(const Dual& a) { return {std::sin(a.v), a.d * std::cos(a.v)}; }
inline Dual cos(const Dual& a) { return {std::cos(a.v), -a.d * std::sin(a.v)}; }
inline Dual atan(const Dual& a) { return {std::atan(a.v), a.d / (1.0 + a.v * a.v)}; }
inline Dual asinh(const Dual& a) { return {std::asinh(a.v), a.d / std::sqrt(1.0 + a.v * a.v)}; }

extern "C" void evaluate(std::size_t n, const double* x, double* energy, double* first) {
  for (std::size_t i = 0; i < n; ++i, x += 7) {
    energy[i] = NAME::energy<double>(x[0], x[1], x[2], x[3], x[4], x[5], x[6]);
    for (int k = 0; k < 7; ++k) {
      const auto seed = [&](int j) { return Dual(x[j], j == k ? 1.0 : 0.0); };
      first[7 * i + k] = NAME::energy<Dual>(seed(0), seed(1), seed(2), seed(3), seed(4), seed(5), seed(6)).d;
    }
  }
}
