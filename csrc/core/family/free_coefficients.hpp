#pragma once

#include <optional>

#include "core/family/absorb.hpp"

namespace fastsfes::family {

/// The same family with one parameter for each coefficient that can have any value whatever the others are.
///
/// In (1 + a*u)*(b + c*u) + d = (b + d) + (c + a*b)*u + a*c*u**2 the three coefficients can: d occurs in the first
/// alone, to an odd power; without that one b occurs in the second alone; then a in the last. In a*(1 + u) the two
/// cannot. Parameters of several terms lose a sign or number that all of these share. Nothing when nothing changes.
[[nodiscard]] std::optional<Reparametrised> free_coefficients(const Expression& expression);

}  // namespace fastsfes::family
