// The record of an exported functional with declarations of what XCFun's functional.hpp and densvars.hpp name.
#include <cmath>
#include <cstdio>

template <class num>
struct densvars {
  num a, b, gaa, gab, gbb, taua, taub;
};
enum { XC_DENSITY = 1, XC_GRADIENT = 2, XC_KINETIC = 4, XC_PARTIAL_DERIVATIVES = 1 };
enum { XC_A_B, XC_A_B_GAA_GAB_GBB, XC_A_B_GAA_GAB_GBB_TAUA_TAUB };
enum { XC_NAME };
struct functional_data {
  const char *short_description, *long_description;
  int depends;
  double (*energy)(const densvars<double>&);
  int test_vars, test_mode, test_order;
  double test_threshold, test_in[7], test_out[8];
};
template <int>
struct fundat_db {
  static functional_data d;
};
#define FUNCTIONAL(F) \
  template <>         \
  functional_data fundat_db<F>::d
#define ENERGY_FUNCTION(FUN) FUN<double>,

#define FASTSFES_XCFUN
#include "HEADER"

int main() {
  const functional_data& f = fundat_db<XC_NAME>::d;
  const auto energy = [&](const double* x) { return f.energy({x[0], x[1], x[2], x[3], x[4], x[5], x[6]}); };
  if (std::fabs(energy(f.test_in) / f.test_out[0] - 1.0) > f.test_threshold) return 1;
  for (int k = 0; k < 7; ++k) {
    // a central difference of fourth order: 1e-8 relative
    double x[7], sum = 0.0;
    const double h = 1e-3 * f.test_in[k], factor[4] = {1.0, -8.0, 8.0, -1.0}, step[4] = {-2.0, -1.0, 1.0, 2.0};
    for (int s = 0; s < 4; ++s) {
      for (int j = 0; j < 7; ++j) x[j] = f.test_in[j];
      x[k] += step[s] * h;
      sum += factor[s] * energy(x) / (12.0 * h);
    }
    if (std::fabs(sum - f.test_out[1 + k]) > 1e-8 * (1.0 + std::fabs(f.test_out[1 + k]))) return 2 + k;
  }
  std::printf("energy and 7 derivatives agree\n");
}
