// Checks of the core without Python: digests, formulas, programs on every instruction set, teams. Exits with the number
// of checks that failed. Build and run: cmake --preset release && cmake --build --preset release && ctest --preset
// release. With --bits it prints a digest of the values of every operation, which two processors can be compared by.
#include <atomic>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "core/base/error.hpp"
#include "core/base/isa.hpp"
#include "core/base/sha256.hpp"
#include "core/base/team.hpp"
#include "core/expression/expression.hpp"
#include "core/program/driver.hpp"
#include "core/program/kernels.hpp"

namespace {

using namespace fastsfes;

int failures = 0;

void check(bool condition, const char* what) {
  if (condition) return;
  ++failures;
  std::fprintf(stderr, "failed: %s\n", what);
}

/// FIPS 180-4's examples.
void check_digests() {
  check(jit::sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "sha256 of abc");
  check(jit::sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "sha256 of nothing");
}

void check_formulas() {
  const Expression e = Expression::parse("c0 + c1*u(x2, g) + w**2/3");
  check(Expression::parse(e.str()).str() == e.str(), "text of an expression is read back");
  bool refused = false;
  try {
    static_cast<void>(Expression::parse("c0 + + *"));
  } catch (const InputError&) {
    refused = true;
  }
  check(refused, "a damaged formula is an InputError");

  const Program program(e.graph(), {e.root()});
  const double x2[] = {0.0, 2.5, 1e30}, w[] = {0.5, -1.0, 0.0};
  const double parameters[] = {0.25, 2.0, 0.004};  // c0, c1, g in order of appearance
  std::vector<const double*> features;
  for (const std::string& name : program.features()) features.push_back(name == "x2" ? x2 : w);
  double out[3];
  double* outputs[] = {out};
  evaluate(program, parameters, features.data(), 3, outputs, 1, jit::Backend::Interpreter);
  for (int i = 0; i < 3; ++i) {
    const double gx = 0.004 * x2[i], right = 0.25 + 2.0 * gx / (1.0 + gx) + w[i] * w[i] / 3.0;
    check(std::abs(out[i] - right) <= 4e-16 * std::abs(right) + 2e-16, "value of a formula");  // three roundings
  }
}

/// The bits of values, of which all NaN are one.
std::string bits(const std::vector<double>& values) {
  std::string text;
  for (const double x : values) {
    const auto one = std::bit_cast<std::uint64_t>(std::isnan(x) ? std::numeric_limits<double>::quiet_NaN() : x);
    for (int byte = 0; byte < 8; ++byte) text += static_cast<char>(one >> (8 * byte));
  }
  return text;
}

/// Every operation gives the same bits on all instruction sets of this processor, NaN and infinities included.
void check_instruction_sets(bool print) {
  std::vector<const KernelTable*> tables{&kernels_generic()};
#if defined(__x86_64__)
  if (best_isa() >= Isa::Avx2) tables.push_back(&kernels_avx2());
  if (best_isa() >= Isa::Avx512) tables.push_back(&kernels_avx512());
#endif
  constexpr std::size_t n = 259;  // no multiple of any vector
  std::mt19937_64 random(1);
  std::vector<double> a(n), b(n), c(n);
  for (std::vector<double>* v : {&a, &b, &c}) {
    for (double& x : *v) {
      const double mantissa = static_cast<double>(random() >> 11) * 0x1p-52 - 1.0;
      x = std::ldexp(mantissa, static_cast<int>(random() % 60) - 30);
    }
    (*v)[1] = INFINITY, (*v)[2] = -INFINITY, (*v)[3] = NAN, (*v)[4] = 0.0, (*v)[5] = -0.0, (*v)[6] = 5e-324;
  }
  for (int op = 0; op < kOpCount; ++op) {
    for (int variant = 0; variant < 8; ++variant) {
      std::string first;
      for (const KernelTable* table : tables) {
        const Kernel kernel = table->kernels[op][variant];
        if (kernel == nullptr) continue;
        std::vector<double> out(n);
        kernel(a.data(), b.data(), c.data(), out.data(), n);
        const std::string own = bits(out);
        if (first.empty()) first = own;
        if (own != first)
          std::fprintf(stderr, "%s %s variant %d: ", op_info(static_cast<Op>(op)).name,
                       table == tables.back() ? "best" : "avx2", variant);
        check(own == first, "same bits on every instruction set");
      }
      if (print && !first.empty())
        std::printf("%s %d %s\n", op_info(static_cast<Op>(op)).name, variant, jit::sha256(first).c_str());
    }
  }
}

void check_teams() {
  std::atomic<int> calls{0};
  in_team(3, [&] { ++calls; });
  check(calls == 3, "a team runs its body once in each thread");

  std::vector<std::atomic<int>> parts(1000);
  for_each_part(parts.size(), 3, [&](std::size_t i) { ++parts[i]; });
  bool once = true;
  for (const std::atomic<int>& part : parts) once = once && part == 1;
  check(once, "every part is worked on once");

  std::string message;
  try {
    for_each_part(100, 3, [](std::size_t i) {
      if (i >= 40) throw InputError("part 40 or later");
    });
  } catch (const InputError& error) {
    message = error.what();
  }
  check(message == "part 40 or later", "an exception of a member leaves the team");
}

/// Work that would last for a minute ends within a second of the answer that it is to stop, whoever holds the long
/// part.
void check_stopping() {
  static std::atomic<int> asked{0};
  for (const int threads : {1, 2}) {
    asked = 0;
    const auto start = std::chrono::steady_clock::now();
    const auto elapsed = [&] { return std::chrono::steady_clock::now() - start; };
    bool stopped = false;
    try {
      const StopWatch watch([] { return ++asked == 2; });
      for_each_part(2, threads, [&](std::size_t) {
        while (elapsed() < std::chrono::minutes(1)) check_stop();
      });
    } catch (const Stopped&) {
      stopped = true;
    }
    check(stopped && asked == 2, "work is stopped when the answer is yes");
    check(StopWatch::current() == nullptr, "a watch ends with its scope");
  }
}

}  // namespace

int main(int count, char** arguments) {
  const bool print = count > 1 && std::string(arguments[1]) == "--bits";
  check_digests();
  check_formulas();
  check_instruction_sets(print);
  check_teams();
  check_stopping();
  std::printf("%d failed\n", failures);
  return failures == 0 ? 0 : 1;
}
