#include "core/program/driver.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>

#include "core/base/team.hpp"
#include "core/program/interpreter.hpp"
#include "core/program/kernels.hpp"

namespace fastsfes {
namespace {

/// What one thread needs to run a program on blocks: by the interpreter or by a compiled kernel.
class Runner {
 public:
  Runner(const Program& program, jit::KernelFunction kernel, jit::Form form)
      : program_(program), kernel_(kernel), features_(program.features().size()), weights_(program.outputs()) {
    const std::size_t columns = program.features().size() + program.outputs();
    const std::size_t scratch = program.registers() + (form == jit::Form::Sums ? program.outputs() : 0);
    memory_ = std::make_unique<double[]>(
        std::max<std::size_t>(1, kernel_ != nullptr ? jit::kGroup * columns : kBlock * scratch));
    tail_.resize(program.features().size());
    tail_weights_.resize(program.outputs());
    targets_.resize(program.outputs());
  }

  /// outputs[k][0..n) from the features at `start`.
  void values(const double* uniforms, const double* const* features, std::size_t start, double* const* outputs,
              std::size_t n) {
    move_to(features, start);
    if (kernel_ == nullptr) {
      interpret_block(program_, uniforms, features_.data(), outputs, n, memory_.get());
      return;
    }
    const std::size_t done = whole_groups(n);
    if (done > 0) kernel_(uniforms, features_.data(), nullptr, outputs, done / jit::kGroup);
    if (done == n) return;
    double* next = fill_tail(done, n);
    for (double*& out : targets_) out = std::exchange(next, next + jit::kGroup);
    kernel_(uniforms, tail_.data(), nullptr, targets_.data(), 1);
    for (std::size_t k = 0; k < targets_.size(); ++k) std::copy_n(targets_[k], n - done, outputs[k] + done);
  }

  /// lanes[k][i % kLanes] += weights[k][i] * output k at point i, for 0 <= i < n from `start`.
  void sums(const double* uniforms, const double* const* features, const double* const* weights, std::size_t start,
            double* const* lanes, std::size_t n) {
    move_to(features, start);
    for (std::size_t k = 0; k < weights_.size(); ++k) weights_[k] = weights[k] + start;
    if (kernel_ == nullptr) {
      double* next = memory_.get() + program_.registers() * kBlock;
      for (double*& out : targets_) out = std::exchange(next, next + kBlock);
      for (std::size_t i = 0; i < n; i += kBlock) {
        const std::size_t part = std::min(kBlock, n - i);
        interpret_block(program_, uniforms, features_.data(), targets_.data(), part, memory_.get());
        for (std::size_t k = 0; k < weights_.size(); ++k)
          kernels().weighted_sum(weights_[k] + i, targets_[k], part, lanes[k]);
        for (const double*& feature : features_) feature += part;
      }
      return;
    }
    const std::size_t done = whole_groups(n);
    if (done > 0) kernel_(uniforms, features_.data(), weights_.data(), lanes, done / jit::kGroup);
    if (done == n) return;
    double* next = fill_tail(done, n);
    for (std::size_t k = 0; k < weights_.size(); ++k, next += jit::kGroup) {
      std::fill_n(next, jit::kGroup, 0.0);
      std::copy_n(weights_[k] + done, n - done, next);
      tail_weights_[k] = next;
    }
    kernel_(uniforms, tail_.data(), tail_weights_.data(), lanes, 1);
  }

 private:
  static std::size_t whole_groups(std::size_t n) { return n / jit::kGroup * jit::kGroup; }

  void move_to(const double* const* features, std::size_t start) {
    for (std::size_t j = 0; j < features_.size(); ++j) features_[j] = features[j] + start;
  }

  /// Copies the last points into a whole group, filled up with the last of them; returns the free memory behind it.
  double* fill_tail(std::size_t done, std::size_t n) {
    double* next = memory_.get();
    for (std::size_t j = 0; j < features_.size(); ++j, next += jit::kGroup) {
      for (std::size_t i = 0; i < jit::kGroup; ++i) next[i] = features_[j][std::min(done + i, n - 1)];
      tail_[j] = next;
    }
    return next;
  }

  const Program& program_;
  jit::KernelFunction kernel_;
  std::unique_ptr<double[]> memory_;
  std::vector<const double*> features_, weights_, tail_, tail_weights_;
  std::vector<double*> targets_;
};

/// Points whose weighted sum is one partial sum: the order of addition is fixed by it.
constexpr std::size_t kSumBlock = 4 * kBlock;

/// Work of the interpreter in nanoseconds, three times that of a compiled kernel, that is worth a team, and that is
/// worth a member of it. A team costs microseconds, or a millisecond where other work holds the cores.
constexpr double kTeamWork = 1e6, kMemberWork = 20e3;

/// Threads for a number of blocks: all or one, because GCC's OpenMP ends the threads that a smaller team leaves out.
int team_size(int threads, const Program& program, std::size_t blocks) {
  const int all = thread_count(threads);
  const double work = static_cast<double>(blocks * kBlock) * jit::interpreter_cost(program);
  return work >= std::max(kTeamWork, kMemberWork * all) ? all : 1;
}

/// Calls body(block) for the blocks, of so many points, that the calling thread gets. They are dealt out as threads
/// become free, because cores are often shared, in at least eight turns each, so that the last ones end at about the
/// same time. Who computes a block changes nothing in it.
template <std::size_t kPoints, class Body>
void take_blocks(std::atomic<std::size_t>& next, std::size_t blocks, int team, Body&& body) {
  const std::size_t share =
      std::clamp<std::size_t>(blocks / (8 * static_cast<std::size_t>(team)), 1, 16 * kBlock / kPoints);
  for (std::size_t first = 0; (first = next.fetch_add(share, std::memory_order_relaxed)) < blocks;) {
    check_stop();
    for (std::size_t block = first; block < std::min(first + share, blocks); ++block) body(block);
  }
}

double total(const double* lanes) {
  double part[kLanes];
  std::copy_n(lanes, kLanes, part);
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t k = 0; k < half; ++k) part[k] += part[k + half];
  }
  return part[0];
}

}  // namespace

void evaluate(const Program& program, const double* parameters, const double* const* features, std::size_t n,
              double* const* outputs, int threads, jit::Backend backend) {
  const std::vector<double> uniforms = program.make_uniforms(parameters);
  const jit::KernelFunction kernel = jit::choose(program, jit::Form::Values, n, backend);
  const std::size_t blocks = (n + kBlock - 1) / kBlock;
  const int team = team_size(threads, program, blocks);
  std::atomic<std::size_t> next{0};
  in_team(team, [&] {
    Runner runner(program, kernel, jit::Form::Values);
    std::vector<double*> targets(program.outputs());
    take_blocks<kBlock>(next, blocks, team, [&](std::size_t block) {
      const std::size_t start = block * kBlock;
      for (std::size_t k = 0; k < targets.size(); ++k) targets[k] = outputs[k] + start;
      runner.values(uniforms.data(), features, start, targets.data(), std::min(kBlock, n - start));
    });
  });
}

void segment_sums(const Program& program, const double* parameters, const double* const* features,
                  const double* const* weights, const std::size_t* offsets, std::size_t segments, double* sums,
                  int threads, jit::Backend backend) {
  const std::vector<double> uniforms = program.make_uniforms(parameters);
  const std::size_t n_out = program.outputs();
  const std::size_t points = segments > 0 ? offsets[segments] - offsets[0] : 0;
  const jit::KernelFunction kernel = jit::choose(program, jit::Form::Sums, points, backend);
  // Blocks start at the beginning of every segment: the partition does not depend on the number of threads.
  std::vector<std::pair<std::size_t, std::size_t>> blocks;
  std::vector<std::size_t> first(segments + 1, 0);
  for (std::size_t s = 0; s < segments; ++s) {
    for (std::size_t i = offsets[s]; i < offsets[s + 1]; i += kSumBlock)
      blocks.emplace_back(i, std::min(kSumBlock, offsets[s + 1] - i));
    first[s + 1] = blocks.size();
  }
  std::vector<double> partial(blocks.size() * n_out);
  const int team = team_size(threads, program, kSumBlock / kBlock * blocks.size());
  std::atomic<std::size_t> next{0};
  in_team(team, [&] {
    Runner runner(program, kernel, jit::Form::Sums);
    std::vector<double> memory(n_out * kLanes);
    std::vector<double*> lanes(n_out);
    for (std::size_t k = 0; k < n_out; ++k) lanes[k] = memory.data() + k * kLanes;
    take_blocks<kSumBlock>(next, blocks.size(), team, [&](std::size_t block) {
      const auto [start, n] = blocks[block];
      std::fill(memory.begin(), memory.end(), 0.0);
      runner.sums(uniforms.data(), features, weights, start, lanes.data(), n);
      for (std::size_t k = 0; k < n_out; ++k) partial[block * n_out + k] = total(lanes[k]);
    });
  });
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
