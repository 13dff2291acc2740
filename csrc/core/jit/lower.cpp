#include "core/jit/lower.hpp"

#include <set>
#include <vector>

#include "core/jit/tiers.hpp"

namespace fastsfes::jit {
namespace {

// How far ahead of the sums their data are asked for: sixteen cache lines of each array.
constexpr std::size_t kAhead = 128;

const char kVmathText[] =
#include "vmath_text.inc"
    ;

std::string numbered(char letter, std::size_t index) {
  std::string text(1, letter);
  text += std::to_string(index);
  return text;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) { return is_digit(c) || c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

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

/// Whether two vectors of points are worked on side by side. One alone leaves the processor waiting for the long chains
/// of elementary functions; short programs are not worth twice the compilation, and long ones fill the registers alone.
bool side_by_side(const Program& program, const std::string& isa) {
  return isa == "avx512" && program.instructions().size() <= 200 && interpreter_cost(program) >= 6.5;
}

/// A line of the loop for the point k beside i: every value that belongs to a point gets a name of its own.
std::string second_point(const std::string& line) {
  std::string text;
  for (std::size_t c = 0; c < line.size(); ++c) {
    text += line[c];
    if (line[c] == '[' && line[c + 1] == 'i') {
      text += 'k';
      ++c;
    }
    const bool value = (line[c] == 'v' || line[c] == 'x' || line[c] == 's') && !is_word(line[c - 1]);
    if (!value || !is_digit(line[c + 1])) continue;
    while (is_digit(line[c + 1])) text += line[++c];
    text += 'b';
  }
  return text;
}

}  // namespace

const std::string& prelude() {
  static const std::string text = std::string(kVmathText) + "namespace vm = fastsfes::vm;\n";
  return text;
}

std::string lower_body(const Program& program, Form form, const std::string& isa) {
  // Registers are reused by the interpreter; here every value gets a name of its own and the compiler allots.
  std::vector<std::string> registers(program.registers()), outputs(program.outputs());
  // GCC 12 takes the many conditions that pow puts on a loop-invariant argument out of the loop and then fails to
  // vectorise what is left: such arguments are spread over an array that is read like a feature.
  std::set<std::uint32_t> uniforms, features, spread;
  std::set<std::string> fused;  // values that are fused multiply-adds
  std::vector<std::string> lines;
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
            args[i].append(numbered('p', o.index)).append("[j]");
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
      lines.push_back("    const double " + flip + " = vm::flip_sign(" + arg + ");\n");
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
    lines.push_back("    const double " + name + " = " + value + ";\n");
    if (ins.target.place == Place::Output) {
      outputs[ins.target.index] = name;
      const std::string index = std::to_string(ins.target.index);
      if (form == Form::Values) {
        lines.push_back("    o" + index + "[i] = " + name + ";\n");
      } else {
        const std::string weight = "w" + index + "[i]";
        lines.push_back("    a" + index + "[j] += " + weight + " == 0.0 ? 0.0 : " + weight + " * " + name + ";\n");
      }
    } else {
      registers[ins.target.index] = name;
    }
  }
  std::string text =
      "(const double* u, const double* const* f, const double* const* w, double* const* o, unsigned long groups) {\n";
  const auto declare = [&text](const char* type, char letter, char array, std::size_t index) {
    text.append(type).append(numbered(letter, index)).append(" = ").append(1, array);
    text.append("[").append(std::to_string(index)).append("];\n");
  };
  const std::string group = std::to_string(kLanes);
  const std::string lanes = "  for (int j = 0; j < " + group + "; ++j) ";
  for (const std::uint32_t index : uniforms) declare("  const double ", 'u', 'u', index);
  for (const std::uint32_t index : features) declare("  const double* const ", 'f', 'f', index);
  for (std::size_t k = 0; k < program.outputs(); ++k) {
    declare("  double* const ", 'o', 'o', k);
    if (form == Form::Values) continue;
    declare("  const double* const ", 'w', 'w', k);
    const std::string sum = numbered('a', k);
    text.append("  double ").append(sum).append("[").append(group).append("];\n");
    text.append(lanes).append(sum).append("[j] = ").append(numbered('o', k)).append("[j];\n");
  }
  for (const std::uint32_t index : spread) {
    text.append("  double ").append(numbered('p', index)).append("[").append(group).append("];\n");
    text.append(lanes).append(numbered('p', index)).append("[j] = u[").append(std::to_string(index)).append("];\n");
  }
  text.append("  const unsigned long n = groups * ").append(std::to_string(kGroup)).append(";\n");
  const bool pairs = spread.empty() && side_by_side(program, isa);
  if (form == Form::Values && spread.empty() && !pairs) {
    text.append("  FASTSFES_INDEPENDENT\n  for (unsigned long i = 0; i < n; ++i) {\n");
  } else {
    // Group by group: the inner loop becomes straight-line code on one vector, and the sums stay in registers.
    text.append("  for (unsigned long g = 0; g < n; g += ")
        .append(pairs ? std::to_string(kGroup) : group)
        .append(") {\n");
    if (form == Form::Sums) {
      const auto prefetch = [&text, pairs](char letter, std::size_t index) {
        for (std::size_t ahead = kAhead; ahead < kAhead + (pairs ? kGroup : kLanes); ahead += kLanes) {
          text.append("  __builtin_prefetch(").append(numbered(letter, index)).append(" + g + ");
          text.append(std::to_string(ahead)).append(");\n");
        }
      };
      for (const std::uint32_t index : features) prefetch('f', index);
      for (std::size_t k = 0; k < program.outputs(); ++k) prefetch('w', k);
    }
    text.append("  FASTSFES_INDEPENDENT\n  for (unsigned long j = 0; j < ").append(group).append("; ++j) {\n");
    text.append("    const unsigned long i = g + j;\n");
    if (pairs) text.append("    const unsigned long k = i + ").append(group).append(";\n");
  }
  const auto put = [&text, pairs](const std::string& line) {
    text += line;
    if (pairs) text += second_point(line);
  };
  for (const std::uint32_t index : features)
    put("    const double " + numbered('x', index) + " = " + numbered('f', index) + "[i];\n");
  for (const std::string& line : lines) put(line);
  text.append(form == Form::Values && spread.empty() && !pairs ? "  }\n" : "  }\n  }\n");
  for (std::size_t k = 0; form == Form::Sums && k < program.outputs(); ++k)
    text.append(lanes).append(numbered('o', k)).append("[j] = ").append(numbered('a', k)).append("[j];\n");
  return text + "  FASTSFES_LEAVE\n}\n";
}

std::string translation_unit(std::span<const std::string> bodies, std::span<const std::string> symbols) {
  std::string text = prelude();
  text +=
      "#ifdef __clang__\n"
      "#define FASTSFES_INDEPENDENT _Pragma(\"clang loop vectorize(assume_safety)\")\n"
      "#else\n"
      "#define FASTSFES_INDEPENDENT _Pragma(\"GCC ivdep\")\n"
      "#endif\n"
      // GCC clears the upper halves of vector registers by itself at -O2 only. With something left in them, code
      // without AVX, such as PySCF's, takes three times as long afterwards.
      "#if defined(__AVX__) && !defined(__clang__)\n"
      "#define FASTSFES_LEAVE __builtin_ia32_vzeroupper();\n"
      "#else\n"
      "#define FASTSFES_LEAVE\n"
      "#endif\n";
  for (std::size_t k = 0; k < bodies.size(); ++k) {
    text += "extern \"C\" __attribute__((visibility(\"default\"))) void " + symbols[k] + bodies[k];
  }
  return text;
}

}  // namespace fastsfes::jit
