#include "core/interpreter.hpp"

#include <algorithm>
#include <memory>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "core/kernels.hpp"

namespace fastsfes {

const KernelTable& kernels() noexcept {
#if defined(FASTSFES_X86)
  static const KernelTable& best = [&]() -> const KernelTable& {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
      return kernels_avx512();
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return kernels_avx2();
    return kernels_generic();
  }();
  return best;
#else
  return kernels_generic();
#endif
}

const char* interpreter_isa() noexcept { return kernels().isa; }

int thread_count(int requested) noexcept {
#ifdef _OPENMP
  return requested > 0 ? requested : omp_get_max_threads();
#else
  (void)requested;
  return 1;
#endif
}

void interpret_block(const Program& program, const double* uniforms, const double* const* features,
                     double* const* outputs, std::size_t n, double* scratch) noexcept {
  const KernelTable& table = kernels();
  for (const Instruction& ins : program.instructions()) {
    const double* args[3] = {uniforms, uniforms, uniforms};
    int variant = 0;
    for (int i = 0; i < ins.arity; ++i) {
      const Operand& o = ins.args[static_cast<std::size_t>(i)];
      switch (o.place) {
        case Place::Register:
          args[i] = scratch + o.index * kBlock;
          break;
        case Place::Feature:
          args[i] = features[o.index];
          break;
        case Place::Output:
          args[i] = outputs[o.index];
          break;
        case Place::Uniform:
          args[i] = uniforms + o.index;
          variant |= 1 << i;
          break;
      }
    }
    double* target =
        ins.target.place == Place::Output ? outputs[ins.target.index] : scratch + ins.target.index * kBlock;
    table.kernels[static_cast<int>(ins.op)][variant](args[0], args[1], args[2], target, n);
  }
}

namespace {

/// What one thread needs to run a program: registers and the pointers of the current block.
struct Workspace {
  explicit Workspace(const Program& p)
      : registers(std::make_unique<double[]>(std::max<std::size_t>(1, p.registers() * kBlock))),
        features(p.features().size()),
        outputs(p.outputs()) {}
  std::unique_ptr<double[]> registers;
  std::vector<const double*> features;
  std::vector<double*> outputs;
};

}  // namespace

void evaluate(const Program& program, const double* parameters, const double* const* features, std::size_t n,
              double* const* outputs, int threads) {
  const std::vector<double> uniforms = program.make_uniforms(parameters);
  const auto blocks = static_cast<std::ptrdiff_t>((n + kBlock - 1) / kBlock);
  const int team =
      static_cast<int>(std::min<std::ptrdiff_t>(thread_count(threads), std::max<std::ptrdiff_t>(1, blocks / 4)));
#pragma omp parallel num_threads(team) if (team > 1)
  {
    Workspace ws(program);
#pragma omp for schedule(static)
    for (std::ptrdiff_t block = 0; block < blocks; ++block) {
      const std::size_t start = static_cast<std::size_t>(block) * kBlock;
      for (std::size_t j = 0; j < ws.features.size(); ++j) ws.features[j] = features[j] + start;
      for (std::size_t k = 0; k < ws.outputs.size(); ++k) ws.outputs[k] = outputs[k] + start;
      interpret_block(program, uniforms.data(), ws.features.data(), ws.outputs.data(), std::min(kBlock, n - start),
                      ws.registers.get());
    }
  }
}

void segment_sums(const Program& program, const double* parameters, const double* const* features,
                  const double* weights, const std::size_t* offsets, std::size_t segments, double* sums, int threads) {
  const std::vector<double> uniforms = program.make_uniforms(parameters);
  const std::size_t n_out = program.outputs();
  // Blocks start at the beginning of every segment: the partition does not depend on the number of threads.
  std::vector<std::pair<std::size_t, std::size_t>> blocks;
  std::vector<std::size_t> first(segments + 1, 0);
  for (std::size_t s = 0; s < segments; ++s) {
    for (std::size_t i = offsets[s]; i < offsets[s + 1]; i += kBlock)
      blocks.emplace_back(i, std::min(kBlock, offsets[s + 1] - i));
    first[s + 1] = blocks.size();
  }
  std::vector<double> partial(blocks.size() * n_out);
  const auto count = static_cast<std::ptrdiff_t>(blocks.size());
  const int team =
      static_cast<int>(std::min<std::ptrdiff_t>(thread_count(threads), std::max<std::ptrdiff_t>(1, count / 4)));
#pragma omp parallel num_threads(team) if (team > 1)
  {
    Workspace ws(program);
    const auto values = std::make_unique<double[]>(std::max<std::size_t>(1, n_out * kBlock));
    for (std::size_t k = 0; k < n_out; ++k) ws.outputs[k] = values.get() + k * kBlock;
#pragma omp for schedule(static)
    for (std::ptrdiff_t block = 0; block < count; ++block) {
      const auto [start, n] = blocks[static_cast<std::size_t>(block)];
      for (std::size_t j = 0; j < ws.features.size(); ++j) ws.features[j] = features[j] + start;
      interpret_block(program, uniforms.data(), ws.features.data(), ws.outputs.data(), n, ws.registers.get());
      for (std::size_t k = 0; k < n_out; ++k) {
        partial[static_cast<std::size_t>(block) * n_out + k] =
            kernels().weighted_sum(weights + start, ws.outputs[k], n);
      }
    }
  }
  for (std::size_t k = 0; k < n_out; ++k) {
    for (std::size_t s = 0; s < segments; ++s) {
      double sum = 0.0;
      for (std::size_t b = first[s]; b < first[s + 1]; ++b) sum += partial[b * n_out + k];
      sums[k * segments + s] = sum;
    }
  }
}

}  // namespace fastsfes
