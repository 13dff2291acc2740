#include "core/jit/lower.hpp"

#include <set>

namespace fastsfes::jit {
namespace {

const char kVmathText[] =
#include "vmath_text.inc"
    ;

std::string numbered(char letter, std::size_t index) {
  std::string text(1, letter);
  text += std::to_string(index);
  return text;
}

/// The operator's C++ spelling with its arguments put in.
std::string spell(Op op, const std::array<std::string, 3>& args) {
  std::string text;
  for (const char* c = op_info(op).cpp; *c != '\0'; ++c) {
    if (*c == '$' && c[1] >= 'a' && c[1] <= 'c') {
      text += args[static_cast<std::size_t>(c[1] - 'a')];
      ++c;
    } else {
      text += *c;
    }
  }
  return text;
}

}  // namespace

const std::string& prelude() {
  static const std::string text = std::string(kVmathText) + "namespace vm = fastsfes::vm;\n";
  return text;
}

std::string lower_body(const Program& program) {
  // Registers are reused by the interpreter; here every value gets a name of its own and the compiler allots.
  std::vector<std::string> registers(program.registers()), outputs(program.outputs());
  // GCC 12 takes the many conditions that pow puts on a loop-invariant argument out of the loop and then fails to
  // vectorise what is left: such arguments are spread over an array that is read like a feature.
  std::set<std::uint32_t> uniforms, features, spread;
  std::set<std::string> fused;  // values that are fused multiply-adds
  std::string loop;
  std::size_t count = 0;
  for (const Instruction& ins : program.instructions()) {
    std::array<std::string, 3> args;
    for (std::size_t i = 0; i < ins.arity; ++i) {
      const Operand& o = ins.args[i];
      switch (o.place) {
        case Place::Register:
          args[i] = registers[o.index];
          break;
        case Place::Output:
          args[i] = outputs[o.index];
          break;
        case Place::Feature:
          features.insert(o.index);
          args[i] = numbered('x', o.index);
          break;
        case Place::Uniform:
          if (ins.op == Op::Pow) {
            spread.insert(o.index);
            args[i].append("FASTSFES_SPREAD(").append(std::to_string(o.index)).append(")");
          } else {
            uniforms.insert(o.index);
            args[i] = numbered('u', o.index);
          }
          break;
      }
    }
    // GCC 12 turns -(a * b + c) into one instruction although its exact zero has the other sign: the sign of a fused
    // result is therefore flipped in a way that it does not recognise.
    const int flipped = ins.op == Op::Neg || ins.op == Op::Fnma ? 0 : ins.op == Op::Fms ? 2 : -1;
    if (flipped >= 0 && fused.contains(args[static_cast<std::size_t>(flipped)])) {
      std::string& arg = args[static_cast<std::size_t>(flipped)];
      const std::string flip = numbered('s', count);
      loop.append("    const double ").append(flip).append(" = vm::flip_sign(").append(arg).append(");\n");
      arg = flip;
    }
    const std::string name = numbered('v', count++);
    if (ins.op == Op::Fma || ins.op == Op::Fms || ins.op == Op::Fnma) fused.insert(name);
    // A leaf as operator stands for "copy" in a program.
    std::string value;
    if (op_info(ins.op).kind == OpKind::Leaf || (ins.op == Op::Neg && args[0][0] == 's')) {
      value = args[0];
    } else if (ins.op != Op::Neg && flipped >= 0 && args[static_cast<std::size_t>(flipped)][0] == 's') {
      value = spell(Op::Fma, args);
    } else {
      value = spell(ins.op, args);
    }
    loop.append("    const double ").append(name).append(" = ").append(value).append(";\n");
    if (ins.target.place == Place::Output) {
      outputs[ins.target.index] = name;
      loop.append("    ").append(numbered('o', ins.target.index)).append("[i] = ").append(name).append(";\n");
    } else {
      registers[ins.target.index] = name;
    }
  }
  std::string text = "(const double* u, const double* const* f, double* const* o, unsigned long groups) {\n";
  const auto declare = [&text](const char* type, char letter, char array, std::size_t index) {
    text.append(type).append(numbered(letter, index)).append(" = ").append(1, array);
    text.append("[").append(std::to_string(index)).append("];\n");
  };
  for (const std::uint32_t index : uniforms) declare("  const double ", 'u', 'u', index);
  for (const std::uint32_t index : features) declare("  const double* const ", 'f', 'f', index);
  for (std::size_t k = 0; k < program.outputs(); ++k) declare("  double* const ", 'o', 'o', k);
  const std::string group = std::to_string(kGroup);
  const std::string flat = "  for (unsigned long i = 0; i < n; ++i) {\n";
  text.append("  const unsigned long n = groups * ").append(group).append(";\n");
  if (spread.empty()) {
    text.append("  FASTSFES_INDEPENDENT\n").append(flat);
  } else {
    text.append("#ifdef __clang__\n  FASTSFES_INDEPENDENT\n").append(flat).append("#else\n");
    for (const std::uint32_t index : spread) {
      text.append("  double ").append(numbered('p', index)).append("[").append(group).append("];\n");
      text.append("  for (int j = 0; j < ").append(group).append("; ++j) ").append(numbered('p', index));
      text.append("[j] = u[").append(std::to_string(index)).append("];\n");
    }
    text.append("  for (unsigned long g = 0; g < n; g += ").append(group).append(")\n  FASTSFES_INDEPENDENT\n");
    text.append("  for (unsigned long j = 0; j < ").append(group).append("; ++j) {\n");
    text.append("    const unsigned long i = g + j;\n#endif\n");
  }
  for (const std::uint32_t index : features) {
    text.append("    const double ").append(numbered('x', index)).append(" = ");
    text.append(numbered('f', index)).append("[i];\n");
  }
  return text + loop + "  }\n}\n";
}

std::string translation_unit(std::span<const std::string> bodies, std::span<const std::string> symbols) {
  std::string text = prelude();
  text +=
      "#ifdef __clang__\n"
      "#define FASTSFES_INDEPENDENT _Pragma(\"clang loop vectorize(assume_safety)\")\n"
      "#define FASTSFES_SPREAD(k) u[k]\n"
      "#else\n"
      "#define FASTSFES_INDEPENDENT _Pragma(\"GCC ivdep\")\n"
      "#define FASTSFES_SPREAD(k) p##k[j]\n"
      "#endif\n";
  for (std::size_t k = 0; k < bodies.size(); ++k) {
    text += "extern \"C\" __attribute__((visibility(\"default\"))) void " + symbols[k] + bodies[k];
  }
  return text;
}

}  // namespace fastsfes::jit
