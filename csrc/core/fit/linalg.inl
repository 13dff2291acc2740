// The dense kernels, compiled once per instruction set: FASTSFES_LINALG names the accessor, FASTSFES_LANES the doubles
// of a register, FASTSFES_COLUMNS how many columns are worked on together. Internal linkage throughout (see
// kernels.inl).
#include "core/fit/linalg.hpp"

#include "core/fit/lanes.hpp"

namespace fastsfes::fit {
namespace {

using namespace lanes;

constexpr std::size_t kRegisters = 2;  // registers along the rows
constexpr std::size_t kRows = kLanes * kRegisters;
static_assert(kPanel % kRows == 0);

template <int N>
void project_columns(const double* panel, std::size_t depth, const double* const* columns, double* const* out,
                     std::size_t row) {
  Vec sum[N][kRegisters];
  for (int c = 0; c < N; ++c) {
    for (std::size_t i = 0; i < kRegisters; ++i) sum[c][i] = zero();
  }
  const double* a = panel + row;
  for (std::size_t k = 0; k < depth; ++k, a += kPanel) {
    Vec rows[kRegisters];
    for (std::size_t i = 0; i < kRegisters; ++i) rows[i] = load(a + i * kLanes);
    for (int c = 0; c < N; ++c) {
      const Vec x = broadcast(columns[c][k]);
      for (std::size_t i = 0; i < kRegisters; ++i) sum[c][i] = fma(rows[i], x, sum[c][i]);
    }
  }
  for (int c = 0; c < N; ++c) {
    for (std::size_t i = 0; i < kRegisters; ++i) store(out[c] + row + i * kLanes, sum[c][i]);
  }
}

template <int N>
void project_group(const double* panel, std::size_t depth, const double* const* columns, double* const* out) {
  for (std::size_t row = 0; row < kPanel; row += kRows) project_columns<N>(panel, depth, columns, out, row);
}

void project_some(const double* panel, std::size_t depth, const double* const* columns, std::size_t count,
                  double* const* out) {
  switch (count) {
    case 1:
      return project_group<1>(panel, depth, columns, out);
    case 2:
      return project_group<2>(panel, depth, columns, out);
    case 3:
      return project_group<3>(panel, depth, columns, out);
    case 4:
      return project_group<4>(panel, depth, columns, out);
#if FASTSFES_COLUMNS > 4
    case 5:
      return project_group<5>(panel, depth, columns, out);
    case 6:
      return project_group<6>(panel, depth, columns, out);
    case 7:
      return project_group<7>(panel, depth, columns, out);
    case 8:
      return project_group<8>(panel, depth, columns, out);
#endif
    default:
      return;
  }
}

void project(const double* panel, std::size_t depth, const double* const* columns, std::size_t count,
             double* const* out) {
  // Groups of nearly equal size: a remainder of one or two columns would wait for its own sums.
  for (std::size_t groups = (count + FASTSFES_COLUMNS - 1) / FASTSFES_COLUMNS; groups > 0; --groups) {
    const std::size_t size = (count + groups - 1) / groups;
    project_some(panel, depth, columns, size, out);
    columns += size;
    out += size;
    count -= size;
  }
}

constexpr std::size_t kParts = kPanel / kLanes;  // registers of a panel

/// Sum of the lanes of a panel, in a fixed order.
double total(const Vec* sum) {
  double lane[kPanel];
  for (std::size_t i = 0; i < kParts; ++i) store(lane + i * kLanes, sum[i]);
  for (std::size_t width = kPanel / 2; width > 0; width /= 2) {
    for (std::size_t i = 0; i < width; ++i) lane[i] += lane[i + width];
  }
  return lane[0];
}

double dot(const double* x, const double* y, std::size_t n) {
  Vec sum[kParts];
  for (std::size_t i = 0; i < kParts; ++i) sum[i] = zero();
  for (std::size_t k = 0; k < n; k += kPanel) {
    for (std::size_t i = 0; i < kParts; ++i) sum[i] = fma(load(x + k + i * kLanes), load(y + k + i * kLanes), sum[i]);
  }
  return total(sum);
}

template <int N>
void reflect_columns(const double* v, double tau, double* const* columns, std::size_t first, std::size_t n) {
  Vec sum[N][kParts], factor[N];
  for (int c = 0; c < N; ++c) {
    for (std::size_t i = 0; i < kParts; ++i) sum[c][i] = zero();
  }
  for (std::size_t k = 0; k < n; k += kPanel) {
    for (std::size_t i = 0; i < kParts; ++i) {
      const Vec reflector = load(v + k + i * kLanes);
      for (int c = 0; c < N; ++c) {
        sum[c][i] = fma(reflector, load(columns[c] + first + k + i * kLanes), sum[c][i]);
      }
    }
  }
  for (int c = 0; c < N; ++c) factor[c] = broadcast(-tau * total(sum[c]));
  for (std::size_t k = 0; k < n; k += kLanes) {
    const Vec reflector = load(v + k);
    for (int c = 0; c < N; ++c) {
      double* to = columns[c] + first + k;
      store(to, fma(factor[c], reflector, load(to)));
    }
  }
}

void reflect(const double* v, double tau, double* const* columns, std::size_t count, std::size_t first, std::size_t n) {
  // A few columns at a time, so that their sums do not wait for each other.
  constexpr int together = FASTSFES_COLUMNS / 2;
  for (; count >= together; count -= together, columns += together) {
    reflect_columns<together>(v, tau, columns, first, n);
  }
  for (; count > 0; --count, ++columns) reflect_columns<1>(v, tau, columns, first, n);
}

void axpy(double a, const double* x, double* y, std::size_t n) {
  const Vec factor = broadcast(a);
  for (std::size_t k = 0; k < n; k += kLanes) store(y + k, fma(factor, load(x + k), load(y + k)));
}

}  // namespace

const LinalgTable& FASTSFES_LINALG() noexcept {
  static const LinalgTable table{project, dot, axpy, reflect};
  return table;
}

}  // namespace fastsfes::fit
