#pragma once

#include <span>
#include <string_view>

namespace fastsfes {

/// One row of the feature table: all that the program knows about a feature.
///
/// Definitions are formulas in fastsfes' own syntax; a feature that a definition does not apply to has none there.
struct FeatureInfo {
  const char* name;
  const char* summary;          ///< one line of documentation
  bool nonnegative;             ///< for every density, and at every quadrature node
  int length;                   ///< its dimension: a power of a length; 0 for a pure number
  const char* latex;            ///< LaTeX spelling
  const char* mathml;           ///< MathML spelling
  const char* label;            ///< plain text, for drawings
  const char* spin = nullptr;   ///< of one spin, by its density rho, squared gradient sigma and tau
  const char* pair = nullptr;   ///< of both spins: "mean", or by features of the pair
  const char* total = nullptr;  ///< of the whole density, by rho_a, rho_b, sigma_aa, sigma_ab, sigma_bb, tau_a, tau_b
  const char* nodes = nullptr;  ///< by x2 and w, of one spin as of the pair
  const char* maple = nullptr;  ///< of one spin by libxc's reduced variables xs and ts
};

[[nodiscard]] std::span<const FeatureInfo> all_features() noexcept;
/// X0, X1, ...: columns of a table of points, pure numbers of any sign without a definition.
[[nodiscard]] std::span<const FeatureInfo> column_features() noexcept;
/// The row of this name; null when it is no feature. Every other identifier in an expression is a parameter.
[[nodiscard]] const FeatureInfo* find_feature(std::string_view name) noexcept;

}  // namespace fastsfes
