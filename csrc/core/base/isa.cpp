#include "core/base/isa.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "core/base/error.hpp"

namespace fastsfes {
namespace {

constexpr std::array<const char*, 3> kNames = {"generic", "avx2", "avx512"};  // in the order of Isa

Isa isa_of_processor() noexcept {
#if defined(FASTSFES_X86)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 =
      __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (avx2 && avx512) return Isa::Avx512;
  if (avx2) return Isa::Avx2;
#endif
  return Isa::Generic;
}

}  // namespace

const char* isa_name(Isa isa) noexcept { return kNames[static_cast<std::size_t>(isa)]; }

Isa isa_named(const std::string& name, const std::string& where) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<Isa>(i);
  }
  throw InputError(where + ": the instruction set \"" + name + "\" is unknown; expected generic, avx2 or avx512");
}

Isa best_isa() {
  static const Isa best = [] {
    const char* limit = std::getenv("FASTSFES_ISA");
    const Isa own = isa_of_processor();
    return limit == nullptr || *limit == '\0' ? own : std::min(own, isa_named(limit, "FASTSFES_ISA"));
  }();
  return best;
}

}  // namespace fastsfes
