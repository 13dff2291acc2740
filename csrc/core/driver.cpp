#include "core/driver.hpp"

#include <algorithm>
#include <memory>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "core/interpreter.hpp"
#include "core/kernels.hpp"

namespace fastsfes {

int thread_count(int requested) noexcept {
#ifdef _OPENMP
  return requested > 0 ? requested : omp_get_max_threads();
#else
  (void)requested;
  return 1;
#endif
}

namespace {

/// What one thread needs to run a program on blocks: by the interpreter or by a compiled kernel.
class Runner {
 public:
  Runner(const Program& program, jit::KernelFunction kernel)
      : program_(program), kernel_(kernel), features_(program.features().size()), tail_(program.features().size()) {
    const std::size_t doubles = kernel_ != nullptr ? jit::kGroup * (program.features().size() + program.outputs())
                                                   : program.registers() * kBlock;
    memory_ = std::make_unique<double[]>(std::max<std::size_t>(1, doubles));
    if (kernel_ != nullptr) tail_outputs_.resize(program.outputs());
  }

  /// outputs[k][0..n) from the features at `start`.
  void run(const double* uniforms, const double* const* features, std::size_t start, double* const* outputs,
           std::size_t n) {
    for (std::size_t j = 0; j < features_.size(); ++j) features_[j] = features[j] + start;
    if (kernel_ == nullptr) {
      interpret_block(program_, uniforms, features_.data(), outputs, n, memory_.get());
      return;
    }
    const std::size_t groups = n / jit::kGroup, done = groups * jit::kGroup;
    if (groups > 0) kernel_(uniforms, features_.data(), outputs, groups);
    if (done == n) return;
    // The last points are copied into a whole group, filled up with the last of them.
    double* next = memory_.get();
    for (std::size_t j = 0; j < features_.size(); ++j, next += jit::kGroup) {
      for (std::size_t i = 0; i < jit::kGroup; ++i) next[i] = features_[j][std::min(done + i, n - 1)];
      tail_[j] = next;
    }
    for (double*& out : tail_outputs_) {
      out = next;
      next += jit::kGroup;
    }
    kernel_(uniforms, tail_.data(), tail_outputs_.data(), 1);
    for (std::size_t k = 0; k < tail_outputs_.size(); ++k)
      std::copy(tail_outputs_[k], tail_outputs_[k] + (n - done), outputs[k] + done);
  }

 private:
  const Program& program_;
  jit::KernelFunction kernel_;
  std::unique_ptr<double[]> memory_;
  std::vector<const double*> features_, tail_;
  std::vector<double*> tail_outputs_;
};

/// Blocks that a thread takes at a time: dealt out as threads become free, because cores are often shared. Who computes
/// a block changes nothing in it.
constexpr int kChunk = 16;

/// Threads for a number of blocks: a team costs microseconds, so each member gets at least four blocks.
int team_size(int threads, std::ptrdiff_t blocks) {
  return static_cast<int>(std::min<std::ptrdiff_t>(thread_count(threads), std::max<std::ptrdiff_t>(1, blocks / 4)));
}

}  // namespace

void evaluate(const Program& program, const double* parameters, const double* const* features, std::size_t n,
              double* const* outputs, int threads, jit::Backend backend) {
  const std::vector<double> uniforms = program.make_uniforms(parameters);
  const jit::KernelFunction kernel = jit::choose(program, n, backend);
  const auto blocks = static_cast<std::ptrdiff_t>((n + kBlock - 1) / kBlock);
  const int team = team_size(threads, blocks);
#pragma omp parallel num_threads(team) if (team > 1)
  {
    Runner runner(program, kernel);
    std::vector<double*> targets(program.outputs());
#pragma omp for schedule(dynamic, kChunk)
    for (std::ptrdiff_t block = 0; block < blocks; ++block) {
      const std::size_t start = static_cast<std::size_t>(block) * kBlock;
      for (std::size_t k = 0; k < targets.size(); ++k) targets[k] = outputs[k] + start;
      runner.run(uniforms.data(), features, start, targets.data(), std::min(kBlock, n - start));
    }
  }
}

void segment_sums(const Program& program, const double* parameters, const double* const* features,
                  const double* const* weights, const std::size_t* offsets, std::size_t segments, double* sums,
                  int threads, jit::Backend backend) {
  const std::vector<double> uniforms = program.make_uniforms(parameters);
  const std::size_t n_out = program.outputs();
  const jit::KernelFunction kernel = jit::choose(program, segments > 0 ? offsets[segments] - offsets[0] : 0, backend);
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
  const int team = team_size(threads, count);
#pragma omp parallel num_threads(team) if (team > 1)
  {
    Runner runner(program, kernel);
    const auto values = std::make_unique<double[]>(std::max<std::size_t>(1, n_out * kBlock));
    std::vector<double*> targets(n_out);
    for (std::size_t k = 0; k < n_out; ++k) targets[k] = values.get() + k * kBlock;
#pragma omp for schedule(dynamic, kChunk)
    for (std::ptrdiff_t block = 0; block < count; ++block) {
      const auto [start, n] = blocks[static_cast<std::size_t>(block)];
      runner.run(uniforms.data(), features, start, targets.data(), n);
      for (std::size_t k = 0; k < n_out; ++k) {
        partial[static_cast<std::size_t>(block) * n_out + k] =
            kernels().weighted_sum(weights[k] + start, targets[k], n);
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

void segment_sums(const Program& program, const double* parameters, const double* const* features,
                  const double* weights, const std::size_t* offsets, std::size_t segments, double* sums, int threads,
                  jit::Backend backend) {
  const std::vector<const double*> same(program.outputs(), weights);
  segment_sums(program, parameters, features, same.data(), offsets, segments, sums, threads, backend);
}

}  // namespace fastsfes
