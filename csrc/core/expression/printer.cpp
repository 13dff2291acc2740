#include "core/expression/printer.hpp"

#include <charconv>
#include <cmath>

#include "core/base/error.hpp"

namespace fastsfes {
namespace {

constexpr std::size_t kMaxText = 1'000'000;
// Printing recurses; text that is parsed has at most 5,000 operations, so that only what programs build meets this.
constexpr int kMaxDepth = 6000;

void check_depth(int depth) {
  if (depth > kMaxDepth) {
    throw InputError("the expression is nested more than " + std::to_string(kMaxDepth) +
                     " operations deep; simplify it");
  }
}

// Binding strength of a printed node, as in the grammar of parser.hpp.
enum Level { kSum = 1, kProduct = 2, kUnary = 3, kPower = 4, kAtom = 5 };

Level level(const Graph& g, NodeId id) {
  switch (g[id].op) {
    case Op::Constant:
      return g[id].value < 0.0 || std::signbit(g[id].value) ? kUnary : kAtom;
    case Op::Add:
    case Op::Sub:
      return kSum;
    case Op::Mul:
    case Op::Div:
      return kProduct;
    case Op::Neg:
      return kUnary;
    case Op::Pow:
      return kPower;
    default:
      return kAtom;
  }
}

class Infix {
 public:
  explicit Infix(const Graph& graph) : g_(graph) {}

  void write(NodeId id, Level least) {
    const Depth guard(depth_);
    if (out.size() > kMaxText) {
      throw InputError("the expression is longer than " + std::to_string(kMaxText) +
                       " characters when written as one formula; simplify it");
    }
    const Node& n = g_[id];
    const bool parentheses = level(g_, id) < least;
    if (parentheses) out += '(';
    switch (n.op) {
      case Op::Constant:
        out += number_text(n.value);
        break;
      case Op::Parameter:
      case Op::Feature:
        out += g_.name(id);
        break;
      case Op::Add:
        binary(n, " + ", kSum, kProduct);
        break;
      case Op::Sub:
        binary(n, " - ", kSum, kProduct);
        break;
      case Op::Mul:
        binary(n, "*", kProduct, kUnary);
        break;
      case Op::Div:
        binary(n, "/", kProduct, kUnary);
        break;
      case Op::Pow:
        binary(n, "**", kAtom, kUnary);
        break;
      case Op::Neg:
        out += '-';
        // -(2) is the operation, -2 the number
        write(n.args[0], g_[n.args[0]].op == Op::Constant ? static_cast<Level>(kAtom + 1) : kUnary);
        break;
      default: {
        const OpInfo& info = op_info(n.op);
        out += info.name;
        out += '(';
        for (int i = 0; i < info.arity; ++i) {
          if (i > 0) out += ", ";
          write(n.args[static_cast<std::size_t>(i)], kSum);
        }
        out += ')';
      }
    }
    if (parentheses) out += ')';
  }

  std::string out;

 private:
  struct Depth {
    explicit Depth(int& counter) : depth(counter) { check_depth(++depth); }
    ~Depth() { --depth; }
    int& depth;
  };

  void binary(const Node& n, const char* symbol, Level left, Level right) {
    write(n.args[0], left);
    out += symbol;
    write(n.args[1], right);
  }
  const Graph& g_;
  int depth_ = 0;
};

std::string latex_name(const std::string& name) {
  static const std::unordered_map<std::string, std::string> special{{"x2", "x^{2}"},
                                                                    {"s2", "s^{2}"},
                                                                    {"rho", "\\rho"},
                                                                    {"sigma", "\\sigma"},
                                                                    {"tau", "\\tau"},
                                                                    {"rho_a", "\\rho_\\alpha"},
                                                                    {"rho_b", "\\rho_\\beta"},
                                                                    {"sigma_aa", "\\sigma_{\\alpha\\alpha}"},
                                                                    {"sigma_ab", "\\sigma_{\\alpha\\beta}"},
                                                                    {"sigma_bb", "\\sigma_{\\beta\\beta}"},
                                                                    {"tau_a", "\\tau_\\alpha"},
                                                                    {"tau_b", "\\tau_\\beta"},
                                                                    {"zeta", "\\zeta"},
                                                                    {"rs", "r_s"},
                                                                    {"gamma", "\\gamma"},
                                                                    {"g", "\\gamma"},
                                                                    {"kappa", "\\kappa"},
                                                                    {"mu", "\\mu"},
                                                                    {"beta", "\\beta"},
                                                                    {"alpha", "\\alpha"}};
  const auto it = special.find(name);
  if (it != special.end()) return it->second;
  std::size_t cut = name.size();
  while (cut > 0 && name[cut - 1] >= '0' && name[cut - 1] <= '9') --cut;
  std::string stem = name.substr(0, cut), digits = name.substr(cut);
  std::string escaped;
  for (char c : stem) escaped += c == '_' ? std::string("\\_") : std::string(1, c);
  const std::string body = escaped.size() == 1 ? escaped : "\\mathrm{" + escaped + "}";
  return digits.empty() ? body : body + "_{" + digits + "}";
}

std::string latex_number(double value) {
  std::string text = number_text(value);
  const auto e = text.find('e');
  if (e == std::string::npos) return text;
  std::string exponent = text.substr(e + 1);
  if (exponent[0] == '+') exponent.erase(0, 1);
  while (exponent.size() > 1 && exponent[0] == '0') exponent.erase(0, 1);
  if (exponent.size() > 2 && exponent[0] == '-' && exponent[1] == '0') exponent.erase(1, 1);
  return text.substr(0, e) + "\\times 10^{" + exponent + "}";
}

std::string latex(const Graph& g, NodeId id, Level least, std::size_t& length, int depth) {
  check_depth(depth);
  const Node& n = g[id];
  if (n.op == Op::Constant || n.op == Op::Parameter || n.op == Op::Feature) {
    std::string text = n.op == Op::Constant ? latex_number(n.value) : latex_name(g.name(id));
    // x^2 to a power needs its own parentheses
    const bool wrap = level(g, id) < least || (least == kAtom && text.find('^') != std::string::npos);
    if ((length += text.size()) > kMaxText) throw InputError("the expression is too long for LaTeX; simplify it");
    return wrap ? "\\left(" + text + "\\right)" : text;
  }
  // what each argument must at least bind as, for the operator's own spelling
  Level first = kSum, second = kSum;
  switch (n.op) {
    case Op::Add:
      second = kSum;
      break;
    case Op::Sub:
      second = kProduct;
      break;
    case Op::Mul:
      first = kProduct;
      second = kUnary;
      break;
    case Op::Neg:
      first = kProduct;
      break;
    case Op::Pow:
      first = kAtom;
      break;
    default:
      break;
  }
  std::string out;
  const char* spelling = op_info(n.op).latex;
  for (const char* p = spelling; *p; ++p) {
    if (*p != '$') {
      out += *p;
      continue;
    }
    const int i = *++p - 'a';
    out += latex(g, n.args[static_cast<std::size_t>(i)], i == 0 ? first : second, length, depth + 1);
  }
  if ((length += out.size()) > 50 * kMaxText) throw InputError("the expression is too long for LaTeX; simplify it");
  const Level own = n.op == Op::Div ? (least == kAtom ? kPower : kAtom) : level(g, id);
  return own < least ? "\\left(" + out + "\\right)" : out;
}

}  // namespace

std::string number_text(double value) {
  char buffer[40];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
  (void)error;
  return {buffer, end};
}

std::string print_infix(const Graph& graph, NodeId root) {
  Infix writer(graph);
  writer.write(root, kSum);
  return std::move(writer.out);
}

std::string print_latex(const Graph& graph, NodeId root) {
  std::size_t length = 0;
  return latex(graph, root, kSum, length, 0);
}

std::string print_spelling(const Graph& graph, NodeId root, Spelling spelling,
                           const std::function<std::string(NodeId)>& leaf) {
  const std::vector<char> needed = graph.reachable({root});
  std::vector<std::string> text(root + 1);
  std::size_t length = 0;
  for (NodeId id = 0; id <= root; ++id) {
    if (!needed[id]) continue;
    const Node& n = graph[id];
    const OpInfo& info = op_info(n.op);
    if (info.kind == OpKind::Leaf) {
      text[id] = leaf(id);
      continue;
    }
    const char* pattern = spelling == Spelling::Cpp ? info.cpp : info.maple;
    if (!pattern) throw InputError(std::string("operator ") + info.name + " must be expanded before it is spelled out");
    for (const char* p = pattern; *p; ++p) {
      if (*p == '$') {
        text[id] += text[n.args[static_cast<std::size_t>(*++p - 'a')]];
      } else {
        text[id] += *p;
      }
    }
    if ((length += text[id].size()) > 50 * kMaxText)
      throw InputError("the expression is too long to be written as one formula; simplify it");
  }
  return text[root];
}

}  // namespace fastsfes
