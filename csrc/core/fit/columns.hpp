#pragma once

#include <memory>
#include <vector>

#include "core/fit/problem.hpp"

namespace fastsfes::fit {

/// The columns of the linear problem that a candidate poses: one per linear parameter. Some depend on the non-linear
/// parameters, theta, and so may the part that no linear parameter multiplies, the offset.
class Columns {
 public:
  /// One parameter per channel and name; `models` in the order of the problem's channels.
  Columns(const Problem& problem, std::vector<std::shared_ptr<const ChannelModel>> models);

  [[nodiscard]] std::size_t parameters() const noexcept { return parameters_; }  ///< of all channels, and the fractions
  [[nodiscard]] std::size_t nonlinear() const noexcept { return theta_.size(); }
  /// Index of theta[j] among all parameters.
  [[nodiscard]] std::size_t nonlinear_index(std::size_t j) const noexcept { return theta_[j]; }
  [[nodiscard]] bool positive(std::size_t j) const noexcept { return positive_[j] != 0; }
  [[nodiscard]] std::size_t linear() const noexcept { return linear_.size(); }
  [[nodiscard]] std::size_t linear_index(std::size_t k) const noexcept { return linear_[k].parameter; }
  /// False when a column that does not move is not finite: no theta can help.
  [[nodiscard]] bool usable() const noexcept { return usable_; }
  /// Length of a column: the rows of ChannelData::fitted, padded.
  [[nodiscard]] std::size_t length() const noexcept { return length_; }

  /// Computes what moves at theta; the slopes with `derivatives`.
  void run(const double* theta, bool derivatives);

  /// Column k, and the target minus the offset, where run() was last.
  [[nodiscard]] const double* column(std::size_t k) const noexcept {
    return linear_[k].fixed != nullptr ? linear_[k].fixed : moving_.data() + linear_[k].moving * length_;
  }
  [[nodiscard]] const std::vector<double>& target() const noexcept { return target_; }

  /// Calls visit(k, slope) for every column that theta[j] changes, with its derivative; k = -1 is the offset.
  template <class Visit>
  void for_each_slope(std::size_t j, Visit&& visit) const {
    for (std::size_t d = 0; d < derivative_.size(); ++d) {
      if (derivative_[d].theta == j) visit(moving_linear_[derivative_[d].moving], slopes_.data() + d * length_);
    }
  }

  /// Weighted target minus prediction on the rows of ChannelData::other.
  [[nodiscard]] std::vector<double> other_residual(const double* theta, const std::vector<double>& coefficients);

 private:
  struct Linear {
    std::size_t parameter = 0;      ///< index among all parameters
    const double* fixed = nullptr;  ///< column on the fitted rows, or null when it moves
    const double* other = nullptr;  ///< the same on the other rows
    std::size_t moving = 0;         ///< index among the moving columns when it moves
  };
  struct Derivative {
    std::size_t moving = 0, theta = 0;
  };
  struct First {  ///< of a channel
    std::size_t parameter = 0, theta = 0, moving = 0, derivative = 0;
  };

  void add_channel(const ChannelModel& m);
  /// Runs the program of a channel on its nodes: node_pointers_[i] holds output i.
  void run_program(std::size_t channel, const double* theta);

  const Problem& problem_;
  std::vector<std::shared_ptr<const ChannelModel>> models_;
  std::vector<First> first_;
  std::size_t parameters_ = 0, length_ = 0;
  bool usable_ = true;
  std::vector<std::size_t> theta_;
  std::vector<char> positive_;
  std::vector<Linear> linear_;
  std::vector<int> moving_linear_;  ///< per moving column: the linear parameter, or -1 for an offset
  std::vector<Derivative> derivative_;
  std::vector<double> base_;  ///< target minus fixed offsets
  std::vector<double> target_, moving_, slopes_;
  std::vector<double> nodes_, scratch_, parameters_of_channel_;
  std::vector<double*> node_pointers_, row_pointers_;
};

}  // namespace fastsfes::fit
