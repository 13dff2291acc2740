// The feature table. A new feature is a row here, at the end; test_features.py checks that its definitions
// agree with each other.
#include "core/expression/features.hpp"

#include <array>
#include <charconv>
#include <string>
#include <vector>

namespace fastsfes {
namespace {

// (3/10)(6 pi^2)^(2/3): the kinetic energy density of a uniform gas of one spin is this times rho^(5/3)
#define FASTSFES_TAU_UNIFORM "4.5577998723455971"
// 1/(8 FASTSFES_TAU_UNIFORM): von Weizsaecker's kinetic energy density over the uniform gas's is this times x2
#define FASTSFES_WEIZSAECKER "0.027425513076700934"
// 1/(4 (6 pi^2)^(2/3))
#define FASTSFES_S2_PER_X2 "0.016455307846020562"
#define FASTSFES_S_PER_X "0.12827824385304220"

#define FASTSFES_GREEK(NAME, LETTER, INDEX, SIGN) \
  .latex = "\\" NAME "_{" INDEX "}", .mathml = "<msub><mi>" LETTER "</mi><mi>" SIGN "</mi></msub>", .label = LETTER SIGN

// clang-format off
constexpr auto kFeatures = std::to_array<FeatureInfo>({
  {.name = "x2", .summary = "squared reduced gradient, |grad rho|^2/rho^(8/3) of one spin", .nonnegative = true, .length = 0,
   .latex = "x^{2}", .mathml = "<msup><mi>x</mi><mn>2</mn></msup>", .label = "x²",
   .spin = "sigma/rho**(8/3)", .pair = "mean", .nodes = "x2", .maple = "xs**2"},
  {.name = "w", .summary = "kinetic energy density beside the uniform gas's, (t - 1)/(t + 1)", .nonnegative = false, .length = 0,
   .latex = "w", .mathml = "<mi>w</mi>", .label = "w",
   .spin = "(" FASTSFES_TAU_UNIFORM "*rho**(5/3) - tau)/(" FASTSFES_TAU_UNIFORM "*rho**(5/3) + tau)",
   .pair = "(t - 1)/(t + 1)", .nodes = "w",
   .maple = "(" FASTSFES_TAU_UNIFORM " - ts)/(" FASTSFES_TAU_UNIFORM " + ts)"},
  {.name = "t", .summary = "kinetic energy density of the uniform gas over that of the density", .nonnegative = true, .length = 0,
   .latex = "t", .mathml = "<mi>t</mi>", .label = "t",
   .spin = FASTSFES_TAU_UNIFORM "*rho**(5/3)/tau", .pair = "mean", .nodes = "(1 + w)/(1 - w)",
   .maple = FASTSFES_TAU_UNIFORM "/ts"},
  {.name = "x", .summary = "reduced gradient, |grad rho|/rho^(4/3) of one spin", .nonnegative = true, .length = 0,
   .latex = "x", .mathml = "<mi>x</mi>", .label = "x",
   .spin = "sqrt(sigma)/rho**(4/3)", .pair = "sqrt(x2)", .nodes = "sqrt(x2)", .maple = "xs"},
  {.name = "s2", .summary = "s^2 = x2/(4 (6 pi^2)^(2/3)), s the reduced gradient of the spin-scaled density", .nonnegative = true, .length = 0,
   .latex = "s^{2}", .mathml = "<msup><mi>s</mi><mn>2</mn></msup>", .label = "s²",
   .spin = FASTSFES_S2_PER_X2 "*sigma/rho**(8/3)", .pair = "mean", .nodes = FASTSFES_S2_PER_X2 "*x2",
   .maple = FASTSFES_S2_PER_X2 "*xs**2"},
  {.name = "rho", .summary = "density", .nonnegative = true, .length = -3,
   .latex = "\\rho", .mathml = "<mi>ρ</mi>", .label = "ρ",
   .spin = "rho", .pair = "mean", .total = "rho_a + rho_b"},
  {.name = "sigma", .summary = "squared gradient of the density", .nonnegative = true, .length = -8,
   .latex = "\\sigma", .mathml = "<mi>σ</mi>", .label = "σ",
   .spin = "sigma", .total = "sigma_aa + 2*sigma_ab + sigma_bb"},
  {.name = "tau", .summary = "kinetic energy density, (1/2) sum |grad phi|^2", .nonnegative = true, .length = -5,
   .latex = "\\tau", .mathml = "<mi>τ</mi>", .label = "τ",
   .spin = "tau", .total = "tau_a + tau_b"},
  {.name = "rho_a", .summary = "density of spin alpha", .nonnegative = true, .length = -3,
   FASTSFES_GREEK("rho", "ρ", "\\alpha", "α"), .total = "rho_a"},
  {.name = "rho_b", .summary = "density of spin beta", .nonnegative = true, .length = -3,
   FASTSFES_GREEK("rho", "ρ", "\\beta", "β"), .total = "rho_b"},
  {.name = "sigma_aa", .summary = "squared gradient of the alpha density", .nonnegative = true, .length = -8,
   FASTSFES_GREEK("sigma", "σ", "\\alpha\\alpha", "αα"), .total = "sigma_aa"},
  {.name = "sigma_ab", .summary = "product of the gradients of both spins' densities", .nonnegative = false, .length = -8,
   FASTSFES_GREEK("sigma", "σ", "\\alpha\\beta", "αβ"), .total = "sigma_ab"},
  {.name = "sigma_bb", .summary = "squared gradient of the beta density", .nonnegative = true, .length = -8,
   FASTSFES_GREEK("sigma", "σ", "\\beta\\beta", "ββ"), .total = "sigma_bb"},
  {.name = "tau_a", .summary = "kinetic energy density of spin alpha", .nonnegative = true, .length = -5,
   FASTSFES_GREEK("tau", "τ", "\\alpha", "α"), .total = "tau_a"},
  {.name = "tau_b", .summary = "kinetic energy density of spin beta", .nonnegative = true, .length = -5,
   FASTSFES_GREEK("tau", "τ", "\\beta", "β"), .total = "tau_b"},
  {.name = "zeta", .summary = "spin polarisation", .nonnegative = false, .length = 0,
   .latex = "\\zeta", .mathml = "<mi>ζ</mi>", .label = "ζ", .total = "(rho_a - rho_b)/(rho_a + rho_b)"},
  {.name = "rs", .summary = "radius of a sphere that holds one electron (bohr)", .nonnegative = true, .length = 1,
   .latex = "r_s", .mathml = "<msub><mi>r</mi><mi>s</mi></msub>", .label = "rₛ", .total = "0.6203504908994001/cbrt(rho_a + rho_b)"},
  {.name = "s", .summary = "reduced gradient of the spin-scaled density", .nonnegative = true, .length = 0,
   .latex = "s", .mathml = "<mi>s</mi>", .label = "s",
   .spin = FASTSFES_S_PER_X "*sqrt(sigma)/rho**(4/3)", .pair = "sqrt(s2)", .nodes = FASTSFES_S_PER_X "*sqrt(x2)",
   .maple = FASTSFES_S_PER_X "*xs"},
  // Not below zero for orbitals, but at nodes (x2, w) that no density reaches. Sun, Xiao, Ruzsinszky, 10.1063/1.4742312;
  // Furness, Sun, 10.1103/PhysRevB.99.041119.
  {.name = "alpha", .summary = "iso-orbital indicator, (tau - tau_W)/tau_UEG: 0 for one orbital, 1 for a uniform gas", .nonnegative = false, .length = 0,
   .latex = "\\alpha", .mathml = "<mi>α</mi>", .label = "α",
   .spin = "(tau - sigma/(8*rho))/(" FASTSFES_TAU_UNIFORM "*rho**(5/3))", .pair = "1/t - " FASTSFES_WEIZSAECKER "*x2",
   .nodes = "(1 - w)/(1 + w) - " FASTSFES_WEIZSAECKER "*x2", .maple = "(ts - xs**2/8)/" FASTSFES_TAU_UNIFORM},
  {.name = "beta", .summary = "iso-orbital indicator, (tau - tau_W)/(tau + tau_UEG): 0 for one orbital, 1/2 for a uniform gas", .nonnegative = false, .length = 0,
   .latex = "\\beta", .mathml = "<mi>β</mi>", .label = "β",
   .spin = "(tau - sigma/(8*rho))/(tau + " FASTSFES_TAU_UNIFORM "*rho**(5/3))",
   .pair = "(1 - " FASTSFES_WEIZSAECKER "*x2*t)/(1 + t)",
   .nodes = "0.5*(1 - w - " FASTSFES_WEIZSAECKER "*x2*(1 + w))", .maple = "(ts - xs**2/8)/(ts + " FASTSFES_TAU_UNIFORM ")"},
});
// clang-format on

constexpr std::size_t kColumns = 100;

/// The rows of the columns, with the texts that they point to.
struct Columns {
  std::vector<std::array<std::string, 3>> texts;
  std::vector<FeatureInfo> rows;

  Columns() {
    texts.reserve(kColumns);
    for (std::size_t k = 0; k < kColumns; ++k) {
      const std::string number = std::to_string(k);
      const auto& text = texts.emplace_back(
          std::array{"X" + number, "X_{" + number + "}", "<msub><mi>X</mi><mn>" + number + "</mn></msub>"});
      rows.push_back({.name = text[0].c_str(),
                      .summary = "column of a table of points",
                      .nonnegative = false,
                      .length = 0,
                      .latex = text[1].c_str(),
                      .mathml = text[2].c_str(),
                      .label = text[0].c_str()});
    }
  }
};

}  // namespace

std::span<const FeatureInfo> column_features() noexcept {
  static const Columns columns;
  return columns.rows;
}

std::span<const FeatureInfo> all_features() noexcept { return kFeatures; }

const FeatureInfo* find_feature(std::string_view name) noexcept {
  for (const FeatureInfo& row : kFeatures) {
    if (name == row.name) return &row;
  }
  if (name.size() < 2 || name.size() > 3 || name[0] != 'X') return nullptr;
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(name.data() + 1, name.data() + name.size(), number);
  const bool known = error == std::errc() && end == name.data() + name.size() && number < kColumns;
  return known && name == column_features()[number].name ? &column_features()[number] : nullptr;
}

}  // namespace fastsfes
