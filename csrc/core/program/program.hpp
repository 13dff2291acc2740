#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/expression/graph.hpp"

namespace fastsfes {

namespace jit {
enum class Form : std::uint8_t;
struct Slot;
struct Slots;
}  // namespace jit

/// Where an instruction finds an argument.
enum class Place : std::uint8_t {
  Register,  ///< a block of values computed before
  Feature,   ///< an input array
  Uniform,   ///< one number for all points: a constant, a parameter, or computed from them
  Output,    ///< an output array, already written
};

struct Operand {
  Place place = Place::Register;
  std::uint32_t index = 0;
};

struct Instruction {
  Op op = Op::Add;
  std::uint8_t arity = 0;
  Operand target;  ///< Register or Output
  std::array<Operand, 3> args{};
};

/// One scalar operation of the prologue: uniforms[target] = op(uniforms[args]...).
struct UniformInstruction {
  Op op = Op::Add;
  std::uint32_t target = 0;
  std::array<std::uint32_t, 3> args{};
};

/// The values of the roots without defined operators, and with constant powers as products and roots where that is
/// exact: what a program is made of before it is fused and what exporters spell out.
[[nodiscard]] std::vector<NodeId> lower(Graph& graph, std::vector<NodeId> roots);

/// Straight-line code for several expressions at once: the form that is executed.
///
/// Made from a graph by expanding defined operators, turning integer and root powers into products and roots, sharing
/// common subexpressions, forming fused multiply-adds, computing once what is the same for all points, and allotting
/// registers. The interpreter and the compiled kernels execute the same program and therefore give the same bits.
class Program {
 public:
  Program(const Graph& graph, const std::vector<NodeId>& roots);

  [[nodiscard]] const std::vector<std::string>& features() const noexcept { return features_; }
  [[nodiscard]] const std::vector<std::string>& parameters() const noexcept { return parameters_; }
  [[nodiscard]] std::size_t outputs() const noexcept { return outputs_; }
  [[nodiscard]] std::size_t registers() const noexcept { return registers_; }
  [[nodiscard]] std::size_t uniforms() const noexcept { return uniforms_; }
  [[nodiscard]] const std::vector<Instruction>& instructions() const noexcept { return instructions_; }
  [[nodiscard]] const std::vector<UniformInstruction>& prologue() const noexcept { return prologue_; }

  /// The uniforms for these parameter values (in the order of parameters()): parameters, constants, prologue results.
  [[nodiscard]] std::vector<double> make_uniforms(const double* parameters) const;
  void make_uniforms(const double* parameters, double* uniforms) const noexcept;
  /// (index, value) of the uniforms that are constants.
  [[nodiscard]] const std::vector<std::pair<std::uint32_t, double>>& constants() const noexcept { return constants_; }

  /// Text that is equal for equal code: indices and operators, no names, no parameter or constant values.
  [[nodiscard]] std::string signature() const;

  /// What is known about this compiled form; shared by copies.
  [[nodiscard]] jit::Slot& slot(jit::Form form) const noexcept;
  /// Whether it is expected to be evaluated again and again: then a kernel is made from the first use on.
  [[nodiscard]] bool reused() const noexcept;
  void expect_reuse() noexcept;

 private:
  std::vector<std::string> features_, parameters_;
  std::size_t outputs_ = 0, registers_ = 0, uniforms_ = 0;
  std::vector<Instruction> instructions_;
  std::vector<UniformInstruction> prologue_;
  std::vector<std::pair<std::uint32_t, double>> constants_;
  std::shared_ptr<jit::Slots> slots_;
};

}  // namespace fastsfes
