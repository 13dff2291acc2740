#pragma once

namespace fastsfes {

/// Version of the package this core was built for ("0.1.0").
[[nodiscard]] const char* version() noexcept;
/// The compiler that built the core ("GCC 12.2.0").
[[nodiscard]] const char* compiler() noexcept;
/// The flags the core was built with, those of one instruction set aside.
[[nodiscard]] const char* compile_flags() noexcept;
/// The date of the OpenMP specification (201511), or 0 without OpenMP.
[[nodiscard]] int openmp_version() noexcept;

}  // namespace fastsfes
