#pragma once

#include <cstdint>
#include <string>

namespace fastsfes {

/// The instruction sets that the core has code for, each one containing those before it.
enum class Isa : std::uint8_t { Generic, Avx2, Avx512 };

[[nodiscard]] const char* isa_name(Isa isa) noexcept;

/// The instruction set of that name; `where` says in the InputError for an unknown one what holds it.
[[nodiscard]] Isa isa_named(const std::string& name, const std::string& where);

/// The best instruction set that this processor has and $FASTSFES_ISA, a limit, allows. Throws InputError when the
/// variable holds none of the names.
[[nodiscard]] Isa best_isa();

/// The table of the best instruction set, by accessors named NAME_generic and, on x86-64, NAME_avx2, NAME_avx512.
#if defined(FASTSFES_X86)
#define FASTSFES_BY_ISA(NAME) \
  (best_isa() == Isa::Avx512 ? NAME##_avx512() : best_isa() == Isa::Avx2 ? NAME##_avx2() : NAME##_generic())
#else
#define FASTSFES_BY_ISA(NAME) NAME##_generic()
#endif

}  // namespace fastsfes
