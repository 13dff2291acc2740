#include "core/fit/reaction_loss.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "core/base/error.hpp"

// The same source for each instruction set, chosen when the program starts. Eight lanes are written out and
// contraction is off, so every version returns the same bits.
#if defined(__x86_64__) && defined(__gnu_linux__) && (defined(__GNUC__) && !defined(__clang__))
#define FASTSFES_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FASTSFES_CLONES
#endif

namespace fastsfes {

namespace {

constexpr std::size_t lanes = 8;
constexpr std::int64_t rows_per_task = 64;

/// Eight doubles, one cache line; the compiler cuts them into the registers that the instruction set has.
typedef double Lanes __attribute__((vector_size(64), may_alias));  // NOLINT: clang takes it in this form only

double tree_sum(const Lanes& v) noexcept { return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7])); }

/// Dot products of four rows with one padded vector of `length` cache lines.
FASTSFES_CLONES
void dot_four(const double* rows, std::size_t length, const double* f, double* out) {
  const auto* row = reinterpret_cast<const Lanes*>(rows);
  const auto* x = reinterpret_cast<const Lanes*>(f);
  Lanes a{}, b{}, c{}, d{};
  for (std::size_t k = 0; k < length; ++k) {
    a += row[k] * x[k];
    b += row[length + k] * x[k];
    c += row[2 * length + k] * x[k];
    d += row[3 * length + k] * x[k];
  }
  out[0] = tree_sum(a);
  out[1] = tree_sum(b);
  out[2] = tree_sum(c);
  out[3] = tree_sum(d);
}

FASTSFES_CLONES
void dot_one(const double* rows, std::size_t length, const double* f, double* out) {
  const auto* row = reinterpret_cast<const Lanes*>(rows);
  const auto* x = reinterpret_cast<const Lanes*>(f);
  Lanes a{};
  for (std::size_t k = 0; k < length; ++k) a += row[k] * x[k];
  *out = tree_sum(a);
}

FASTSFES_CLONES
void add_scaled(const double* row, std::size_t n, double factor, double* out) {
  for (std::size_t k = 0; k < n; ++k) out[k] += factor * row[k];
}

}  // namespace

EnergyMatrix::Buffer EnergyMatrix::aligned_zeros(std::size_t size) {
  size = std::max(size, lanes);
  Buffer buffer(static_cast<double*>(::operator new[](size * sizeof(double), std::align_val_t{64})));
  std::fill(buffer.get(), buffer.get() + size, 0.0);
  return buffer;
}

EnergyMatrix::EnergyMatrix(std::span<const double> values, std::size_t rows, std::size_t columns)
    : rows_(rows), columns_(columns), stride_((columns + lanes - 1) / lanes * lanes) {
  if (values.size() != rows * columns) throw InputError("matrix: the number of values is not rows x columns");
  data_ = aligned_zeros(rows_ * stride_);
  for (std::size_t r = 0; r < rows_; ++r) {
    std::copy_n(values.data() + r * columns_, columns_, data_.get() + r * stride_);
  }
}

void EnergyMatrix::product(std::span<const double> f, std::size_t count, std::span<double> out) const {
  if (f.size() != count * columns_ || out.size() != count * rows_) {
    throw InputError("product: sizes of the vectors and the matrix do not fit");
  }
  // Padding columns of the matrix are 0 and those of f are 0: NaN in f cannot leak through them.
  const Buffer padded = aligned_zeros(count * stride_);
  double* vectors = padded.get();
  for (std::size_t c = 0; c < count; ++c) std::copy_n(f.data() + c * columns_, columns_, vectors + c * stride_);
  const auto tasks = (static_cast<std::int64_t>(rows_) + rows_per_task - 1) / rows_per_task;
  [[maybe_unused]] const bool large = count > 1 && count * rows_ * stride_ > (std::size_t{1} << 21);
#pragma omp parallel for schedule(static) if (large)
  for (std::int64_t task = 0; task < tasks; ++task) {
    const auto first = static_cast<std::size_t>(task * rows_per_task);
    const std::size_t last = std::min(rows_, first + static_cast<std::size_t>(rows_per_task));
    std::size_t r = first;
    for (; r + 4 <= last; r += 4) {
      for (std::size_t c = 0; c < count; ++c) {
        dot_four(data_.get() + r * stride_, stride_ / lanes, vectors + c * stride_, out.data() + c * rows_ + r);
      }
    }
    for (; r < last; ++r) {
      for (std::size_t c = 0; c < count; ++c) {
        dot_one(data_.get() + r * stride_, stride_ / lanes, vectors + c * stride_, out.data() + c * rows_ + r);
      }
    }
  }
}

void EnergyMatrix::transpose_product(std::span<const double> g, std::span<double> out) const {
  if (g.size() != rows_ || out.size() != columns_) {
    throw InputError("transpose_product: sizes of the vectors and the matrix do not fit");
  }
  std::fill(out.begin(), out.end(), 0.0);
  for (std::size_t r = 0; r < rows_; ++r) add_scaled(data_.get() + r * stride_, columns_, g[r], out.data());
}

ReactionLoss::ReactionLoss(EnergyMatrix matrix, std::vector<std::int64_t> row_start, std::vector<std::int32_t> species,
                           std::vector<double> coefficient, std::vector<double> offset, std::vector<double> weight)
    : matrix_(std::move(matrix)),
      row_start_(std::move(row_start)),
      species_(std::move(species)),
      coefficient_(std::move(coefficient)),
      offset_(std::move(offset)),
      weight_(std::move(weight)) {
  if (offset_.empty()) throw InputError("loss: there are no reactions");
  if (weight_.size() != offset_.size()) throw InputError("loss: as many weights as reactions are needed");
  if (row_start_.empty()) {
    if (matrix_.rows() != offset_.size()) throw InputError("loss: the matrix needs one row per reaction");
    return;
  }
  if (row_start_.size() != offset_.size() + 1 || species_.size() != coefficient_.size() || row_start_.front() != 0 ||
      row_start_.back() != static_cast<std::int64_t>(species_.size()) ||
      !std::is_sorted(row_start_.begin(), row_start_.end())) {
    throw InputError("loss: the stoichiometry is not a well-formed CSR matrix");
  }
  for (const std::int32_t s : species_) {
    if (s < 0 || static_cast<std::size_t>(s) >= matrix_.rows()) {
      throw InputError("loss: a reaction names species " + std::to_string(s) + " of " + std::to_string(matrix_.rows()));
    }
  }
}

void ReactionLoss::errors(std::span<const double> f, std::size_t count, std::span<double> out) const {
  const std::size_t n = reactions();
  if (out.size() != count * n) throw InputError("errors: wrong size of the result");
  if (row_start_.empty()) {
    matrix_.product(f, count, out);
    for (std::size_t c = 0; c < count; ++c) {
      for (std::size_t i = 0; i < n; ++i) out[c * n + i] += offset_[i];
    }
    return;
  }
  std::vector<double> energy(count * matrix_.rows());
  matrix_.product(f, count, energy);
  for (std::size_t c = 0; c < count; ++c) {
    const double* e = energy.data() + c * matrix_.rows();
    for (std::size_t i = 0; i < n; ++i) {
      double sum = offset_[i];
      for (auto k = static_cast<std::size_t>(row_start_[i]); k < static_cast<std::size_t>(row_start_[i + 1]); ++k) {
        sum += coefficient_[k] * e[species_[k]];
      }
      out[c * n + i] = sum;
    }
  }
}

void ReactionLoss::wrmsd(std::span<const double> f, std::size_t count, std::span<double> out) const {
  if (out.size() != count) throw InputError("wrmsd: wrong size of the result");
  const std::size_t n = reactions();
  std::vector<double> error(count * n);
  errors(f, count, error);
  for (std::size_t c = 0; c < count; ++c) {
    double sum = 0.0;
    for (std::size_t i = 0; i < n; ++i) sum += weight_[i] * error[c * n + i] * error[c * n + i];
    out[c] = std::sqrt(sum / static_cast<double>(n));
  }
}

double ReactionLoss::gradient(std::span<const double> f, std::span<double> out) const {
  const std::size_t n = reactions();
  std::vector<double> error(n);
  errors(f, 1, error);
  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) sum += weight_[i] * error[i] * error[i];
  const double value = std::sqrt(sum / static_cast<double>(n));
  // d sqrt(sum_i w_i e_i^2 / n) = sum_i w_i e_i de_i / (n value)
  for (std::size_t i = 0; i < n; ++i) {
    error[i] = value == 0.0 ? 0.0 : weight_[i] * error[i] / (static_cast<double>(n) * value);
  }
  if (row_start_.empty()) {
    matrix_.transpose_product(error, out);
    return value;
  }
  std::vector<double> by_species(matrix_.rows());
  for (std::size_t i = 0; i < n; ++i) {
    for (auto k = static_cast<std::size_t>(row_start_[i]); k < static_cast<std::size_t>(row_start_[i + 1]); ++k) {
      by_species[static_cast<std::size_t>(species_[k])] += coefficient_[k] * error[i];
    }
  }
  matrix_.transpose_product(by_species, out);
  return value;
}

}  // namespace fastsfes
