// Checks of the core without Python: digests, formulas, programs on every instruction set, teams. Exits with the number
// of checks that failed. Build and run: cmake --preset release && cmake --build --preset release && ctest --preset
// release
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "core/base/error.hpp"
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

/// Every operation gives the same bits on all instruction sets of this processor, NaN and infinities included.
void check_instruction_sets() {
  std::vector<const KernelTable*> tables{&kernels_generic()};
#if defined(__x86_64__)
  if (std::strcmp(kernels().isa, "generic") != 0) tables.push_back(&kernels_avx2());
  if (std::strcmp(kernels().isa, "avx512") == 0) tables.push_back(&kernels_avx512());
#endif
  constexpr std::size_t n = 259;  // no multiple of any vector
  std::mt19937_64 random(1);
  std::vector<double> a(n), b(n), c(n);
  for (std::vector<double>* v : {&a, &b, &c}) {
    for (double& x : *v)
      x = std::ldexp(static_cast<double>(random() >> 11) * 0x1p-52 - 1.0, static_cast<int>(random() % 60) - 30);
    (*v)[1] = INFINITY, (*v)[2] = -INFINITY, (*v)[3] = NAN, (*v)[4] = 0.0, (*v)[5] = -0.0, (*v)[6] = 5e-324;
  }
  for (int op = 0; op < kOpCount; ++op) {
    for (int variant = 0; variant < 8; ++variant) {
      std::vector<double> first;
      for (const KernelTable* table : tables) {
        const Kernel kernel = table->kernels[op][variant];
        if (kernel == nullptr) continue;
        std::vector<double> out(n);
        kernel(a.data(), b.data(), c.data(), out.data(), n);
        if (first.empty()) first = out;
        bool same = true;
        for (std::size_t i = 0; i < n; ++i) {
          same = same && (std::bit_cast<std::uint64_t>(first[i]) == std::bit_cast<std::uint64_t>(out[i]) ||
                          (std::isnan(first[i]) && std::isnan(out[i])));
        }
        if (!same) std::fprintf(stderr, "%s %s variant %d: ", op_info(static_cast<Op>(op)).name, table->isa, variant);
        check(same, "same bits on every instruction set");
      }
    }
  }
}

void check_teams() {
  std::atomic<int> calls{0};
  in_team(3, [&] { ++calls; });
  check(calls == 3, "a team runs its body once in each thread");
}

}  // namespace

int main() {
  check_digests();
  check_formulas();
  check_instruction_sets();
  check_teams();
  std::printf("%d failed\n", failures);
  return failures == 0 ? 0 : 1;
}
