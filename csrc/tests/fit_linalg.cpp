// The dense kernels of the fit as C functions, for one instruction set (-DFASTSFES_LANES, -DFASTSFES_COLUMNS): the
// tests compare the bits of all sets.
#define FASTSFES_LINALG linalg_of_test
#include "core/fit/linalg.inl"

extern "C" {

double fit_dot(const double* x, const double* y, std::size_t n) { return fastsfes::fit::linalg_of_test().dot(x, y, n); }

void fit_axpy(double a, const double* x, double* y, std::size_t n) { fastsfes::fit::linalg_of_test().axpy(a, x, y, n); }

// columns: count x n, changed in place from row `first` on.
void fit_reflect(const double* v, double tau, double* columns, std::size_t count, std::size_t first, std::size_t n) {
  double* to[64];
  for (std::size_t c = 0; c < count; ++c) to[c] = columns + c * (first + n);
  fastsfes::fit::linalg_of_test().reflect(v, tau, to, count, first, n);
}

// columns: count x depth; out: count x kPanel.
void fit_project(const double* panel, std::size_t depth, const double* columns, std::size_t count, double* out) {
  const double* in[64];
  double* to[64];
  for (std::size_t c = 0; c < count; ++c) {
    in[c] = columns + c * depth;
    to[c] = out + c * fastsfes::fit::kPanel;
  }
  fastsfes::fit::linalg_of_test().project(panel, depth, in, count, to);
}
}
