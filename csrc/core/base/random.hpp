#pragma once

#include <cstdint>

namespace fastsfes {

/// SplitMix64 (Steele, Lea, Flood 2014, 10.1145/2714064.2660195): small, and any two seeds give unrelated streams.
class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed) {}
  /// The stream of one part of a computation: of a size, a restart, ...
  [[nodiscard]] Random stream(std::uint64_t part) const noexcept {
    return Random(mix(state_ + (part + 1) * 0xd1342543de82ef95ull));
  }

  std::uint64_t next() noexcept { return mix(state_ += 0x9e3779b97f4a7c15ull); }
  /// Uniform in 0 ... n - 1; the bias is below n / 2^64.
  std::size_t below(std::size_t n) noexcept {
    return static_cast<std::size_t>((static_cast<unsigned __int128>(next()) * n) >> 64);
  }

 private:
  [[nodiscard]] static std::uint64_t mix(std::uint64_t z) noexcept {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  std::uint64_t state_;
};

}  // namespace fastsfes
