#include "core/base/version.hpp"

#define FASTSFES_TEXT2(x) #x
#define FASTSFES_TEXT(x) FASTSFES_TEXT2(x)

namespace fastsfes {

const char* version() noexcept { return FASTSFES_VERSION; }

const char* compiler() noexcept {
#if defined(__clang__)
  return "Clang " FASTSFES_TEXT(__clang_major__) "." FASTSFES_TEXT(__clang_minor__) "." FASTSFES_TEXT(
      __clang_patchlevel__);
#else
  return "GCC " FASTSFES_TEXT(__GNUC__) "." FASTSFES_TEXT(__GNUC_MINOR__) "." FASTSFES_TEXT(__GNUC_PATCHLEVEL__);
#endif
}

const char* compile_flags() noexcept { return FASTSFES_FLAGS; }

int openmp_version() noexcept {
#ifdef _OPENMP
  return _OPENMP;
#else
  return 0;
#endif
}

}  // namespace fastsfes
