#include "core/jit/lower.hpp"

#include <array>
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

/// What a name in the code stands for; the letter that it begins with.
enum class Kind : char {
  None = 0,
  Value = 'v',    ///< the result of an instruction
  Flipped = 's',  ///< a value with the other sign
  Point = 'x',    ///< a feature at the point
  Uniform = 'u',  ///< one number for all points
  Spread = 'p',   ///< one number for all points, in an array that is read like a feature
};

struct Name {
  Kind kind = Kind::None;
  std::uint32_t index = 0;
};

/// One line of the loop over the points.
struct Statement {
  enum class What : std::uint8_t {
    Load,     ///< target, a Point, from its feature's array
    Compute,  ///< target = op(args); a leaf as op copies
    Flip,     ///< target, Flipped, = args[0] with the other sign
    Output,   ///< args[0] goes to output number target.index: stored, or weighted and added
  };
  What what = What::Compute;
  Op op = Op::Add;
  Name target;
  std::array<Name, 3> args{};
};

std::string numbered(char letter, std::size_t index) { return letter + std::to_string(index); }

/// The name as the point in this lane calls it: beside each other stand the points i (lane 0) and k (lane 1).
std::string spell(Name name, int lane) {
  std::string text = numbered(static_cast<char>(name.kind), name.index);
  if (name.kind == Kind::Spread) return text + "[j]";
  if (name.kind != Kind::Uniform && lane == 1) text += 'b';
  return text;
}

/// The operator's C++ spelling with its arguments put in.
std::string spell(Op op, const std::array<Name, 3>& args, int lane) {
  std::string text;
  for (const char* c = op_info(op).cpp; *c != '\0'; ++c) {
    if (*c == '$' && c[1] >= 'a' && c[1] <= 'c') {
      text += spell(args[static_cast<std::size_t>(c[1] - 'a')], lane);
      ++c;
    } else {
      text += *c;
    }
  }
  return text;
}

/// Whether two vectors of points are worked on side by side. One alone leaves the processor waiting for the long chains
/// of elementary functions; short programs are not worth twice the compilation, and long ones fill the registers alone.
bool side_by_side(const Program& program, Isa isa) {
  return isa == Isa::Avx512 && program.instructions().size() <= 200 && interpreter_cost(program) >= 6.5;
}

/// The body of one kernel: the program as statements, then these as text for each point that is worked on at a time.
class Lowering {
 public:
  Lowering(const Program& program, Form form, Isa isa) : program_(program), form_(form) {
    registers_.resize(program.registers());
    outputs_.resize(program.outputs());
    for (const Instruction& ins : program.instructions()) add(ins);
    pairs_ = spread_.empty() && side_by_side(program, isa);
    grouped_ = form == Form::Sums || !spread_.empty() || pairs_;
  }

  std::string text() {
    text_ =
        "(const double* u, const double* const* f, const double* const* w, double* const* o, unsigned long groups) {\n";
    declare();
    open_loop();
    for (const std::uint32_t index : features_) write({Statement::What::Load, Op::Feature, {Kind::Point, index}, {}});
    for (const Statement& statement : statements_) write(statement);
    text_ += grouped_ ? "  }\n  }\n" : "  }\n";
    if (form_ == Form::Sums) put_sums_back();
    return text_ + "  FASTSFES_LEAVE\n}\n";
  }

 private:
  Name operand(const Instruction& ins, const Operand& o);
  void add(const Instruction& ins);
  void flip_fused_argument(Statement& statement);

  void write(const Statement& statement);
  void declare();
  void declare(const char* type, char letter, char array, std::size_t index);
  void declare_lanes(const std::string& name, const std::string& value);
  void open_loop();
  void prefetch(char letter, std::size_t index);
  void put_sums_back();

  const Program& program_;
  Form form_;
  bool pairs_ = false;    // two points beside each other
  bool grouped_ = false;  // group by group: the inner loop becomes straight-line code on one vector
  // Registers are reused by the interpreter; here every value gets a name of its own and the compiler allots.
  std::vector<Name> registers_, outputs_;
  std::set<std::uint32_t> uniforms_, features_, spread_;
  std::vector<char> fused_;  // per value: is it a fused multiply-add?
  std::vector<Statement> statements_;
  std::string text_;
};

Name Lowering::operand(const Instruction& ins, const Operand& o) {
  switch (o.place) {
    case Place::Register:
      return registers_[o.index];
    case Place::Output:
      return outputs_[o.index];
    case Place::Feature:
      features_.insert(o.index);
      return {Kind::Point, o.index};
    case Place::Uniform:
      break;
  }
  // GCC 12 takes the many conditions that pow puts on a loop-invariant argument out of the loop and then fails to
  // vectorise what is left: such arguments are spread over an array.
  if (ins.op == Op::Pow) {
    spread_.insert(o.index);
    return {Kind::Spread, o.index};
  }
  uniforms_.insert(o.index);
  return {Kind::Uniform, o.index};
}

void Lowering::add(const Instruction& ins) {
  Statement statement{Statement::What::Compute, ins.op, {Kind::Value, static_cast<std::uint32_t>(fused_.size())}, {}};
  for (std::size_t i = 0; i < ins.arity; ++i) statement.args[i] = operand(ins, ins.args[i]);
  flip_fused_argument(statement);
  fused_.push_back(ins.op == Op::Fma || ins.op == Op::Fms || ins.op == Op::Fnma);
  statements_.push_back(statement);
  if (ins.target.place == Place::Output) {
    outputs_[ins.target.index] = statement.target;
    statements_.push_back({Statement::What::Output, Op::Add, {Kind::None, ins.target.index}, {statement.target}});
  } else {
    registers_[ins.target.index] = statement.target;
  }
}

/// GCC 12 turns -(a * b + c) into one instruction although its exact zero has the other sign: the sign of a fused
/// result is therefore flipped in a way that it does not recognise.
void Lowering::flip_fused_argument(Statement& statement) {
  const Op op = statement.op;
  if (op != Op::Neg && op != Op::Fnma && op != Op::Fms) return;
  Name& arg = statement.args[op == Op::Fms ? 2 : 0];
  if (arg.kind != Kind::Value || fused_[arg.index] == 0) return;
  const Name flipped{Kind::Flipped, statement.target.index};
  statements_.push_back({Statement::What::Flip, op, flipped, {arg}});
  arg = flipped;
  statement.op = op == Op::Neg ? Op::Constant : Op::Fma;  // a copy; c - a b = (-a) b + c, a b - c = a b + (-c)
}

void Lowering::write(const Statement& s) {
  for (int lane = 0; lane < (pairs_ ? 2 : 1); ++lane) {
    const std::string at = lane == 0 ? "[i]" : "[k]";
    const auto define = [&](const std::string& value) {
      text_.append("    const double ").append(spell(s.target, lane)).append(" = ").append(value).append(";\n");
    };
    switch (s.what) {
      case Statement::What::Load:
        define(numbered('f', s.target.index) + at);
        break;
      case Statement::What::Compute:
        // A leaf as operator stands for "copy" in a program.
        define(op_info(s.op).kind == OpKind::Leaf ? spell(s.args[0], lane) : spell(s.op, s.args, lane));
        break;
      case Statement::What::Flip:
        define("vm::flip_sign(" + spell(s.args[0], lane) + ")");
        break;
      case Statement::What::Output: {
        const std::string value = spell(s.args[0], lane), weight = numbered('w', s.target.index) + at;
        if (form_ == Form::Values) {
          text_.append("    ").append(numbered('o', s.target.index)).append(at).append(" = ").append(value);
        } else {
          text_.append("    ").append(numbered('a', s.target.index)).append("[j] += ").append(weight);
          text_.append(" == 0.0 ? 0.0 : ").append(weight).append(" * ").append(value);
        }
        text_ += ";\n";
        break;
      }
    }
  }
}

void Lowering::declare(const char* type, char letter, char array, std::size_t index) {
  text_.append(type).append(numbered(letter, index)).append(" = ").append(1, array);
  text_.append("[").append(std::to_string(index)).append("];\n");
}

const std::string& lanes_loop() {
  static const std::string text = "  for (int j = 0; j < " + std::to_string(kLanes) + "; ++j) ";
  return text;
}

/// An array of one number per lane.
void Lowering::declare_lanes(const std::string& name, const std::string& value) {
  text_.append("  double ").append(name).append("[").append(std::to_string(kLanes)).append("];\n");
  text_.append(lanes_loop()).append(name).append("[j] = ").append(value).append(";\n");
}

void Lowering::declare() {
  for (const std::uint32_t index : uniforms_) declare("  const double ", 'u', 'u', index);
  for (const std::uint32_t index : features_) declare("  const double* const ", 'f', 'f', index);
  for (std::size_t k = 0; k < program_.outputs(); ++k) {
    declare("  double* const ", 'o', 'o', k);
    if (form_ == Form::Values) continue;
    declare("  const double* const ", 'w', 'w', k);
    declare_lanes(numbered('a', k), numbered('o', k) + "[j]");
  }
  for (const std::uint32_t index : spread_) declare_lanes(numbered('p', index), "u[" + std::to_string(index) + "]");
  text_.append("  const unsigned long n = groups * ").append(std::to_string(kGroup)).append(";\n");
}

void Lowering::open_loop() {
  if (!grouped_) {
    text_.append("  FASTSFES_INDEPENDENT\n  for (unsigned long i = 0; i < n; ++i) {\n");
    return;
  }
  const std::string group = std::to_string(kLanes);
  text_.append("  for (unsigned long g = 0; g < n; g += ");
  text_.append(pairs_ ? std::to_string(kGroup) : group).append(") {\n");
  if (form_ == Form::Sums) {  // which stay in registers
    for (const std::uint32_t index : features_) prefetch('f', index);
    for (std::size_t k = 0; k < program_.outputs(); ++k) prefetch('w', k);
  }
  text_.append("  FASTSFES_INDEPENDENT\n  for (unsigned long j = 0; j < ").append(group).append("; ++j) {\n");
  text_.append("    const unsigned long i = g + j;\n");
  if (pairs_) text_.append("    const unsigned long k = i + ").append(group).append(";\n");
}

void Lowering::prefetch(char letter, std::size_t index) {
  for (std::size_t ahead = kAhead; ahead < kAhead + (pairs_ ? kGroup : kLanes); ahead += kLanes) {
    text_.append("  __builtin_prefetch(").append(numbered(letter, index)).append(" + g + ");
    text_.append(std::to_string(ahead)).append(");\n");
  }
}

void Lowering::put_sums_back() {
  for (std::size_t k = 0; k < program_.outputs(); ++k) {
    text_.append(lanes_loop()).append(numbered('o', k)).append("[j] = ").append(numbered('a', k)).append("[j];\n");
  }
}

}  // namespace

const std::string& prelude() {
  static const std::string text = std::string(kVmathText) + "namespace vm = fastsfes::vm;\n";
  return text;
}

std::string lower_body(const Program& program, Form form, Isa isa) { return Lowering(program, form, isa).text(); }

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
