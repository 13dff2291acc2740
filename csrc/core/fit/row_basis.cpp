#include "core/fit/row_basis.hpp"

#include <cmath>
#include <cstdint>

#include "core/fit/linalg.hpp"

namespace fastsfes::fit {
namespace {

constexpr double kTolerance = 1e-12;  // relative to a random combination: what is lost is below 1e-8 kcal/mol
constexpr std::size_t kOversample = 8;

/// The next number in [-1, 1) of a fixed sequence (SplitMix64).
double next(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-52 - 1.0;
}

}  // namespace

RowBasis::RowBasis(const std::vector<const PackedMatrix*>& matrices, const std::vector<double>& scale,
                   const std::vector<std::vector<double>>& vectors) {
  const LinalgTable& t = linalg();
  const std::size_t rows = matrices.front()->rows(), length = padded(rows), count = rows + kOversample;
  storage_.assign(count * length, 0.0);
  std::vector<double> weights, part(count * length);
  std::vector<double*> out(count);
  std::vector<const double*> in(count);
  std::uint64_t state = 1;
  for (const PackedMatrix* matrix : matrices) {
    weights.resize(count * matrix->columns());
    for (double& w : weights) w = next(state);
    for (std::size_t c = 0; c < count; ++c) {
      in[c] = weights.data() + c * matrix->columns();
      out[c] = part.data() + c * length;
    }
    matrix->project(in.data(), count, out.data());
    for (std::size_t c = 0; c < count; ++c) {
      for (std::size_t r = 0; r < rows; ++r) storage_[c * length + r] += scale[r] * part[c * length + r];
    }
  }
  std::vector<double*> columns(count);
  for (std::size_t c = 0; c < count; ++c) {
    columns[c] = storage_.data() + c * length;
    for (const std::vector<double>& v : vectors) t.axpy(next(state), v.data(), columns[c], length);
  }
  qr_.factor(columns, length, kTolerance);
}

}  // namespace fastsfes::fit
