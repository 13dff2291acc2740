#pragma once

#include <string>
#include <string_view>

namespace fastsfes::jit {

/// SHA-256 (FIPS 180-4) of a text, as 64 hexadecimal digits. Cache entries are named by it.
[[nodiscard]] std::string sha256(std::string_view text);

/// A fast 64-bit checksum: tells a damaged file from a whole one, nothing more.
[[nodiscard]] unsigned long long checksum(std::string_view bytes) noexcept;

}  // namespace fastsfes::jit
