#include "core/expression/printer.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "core/base/error.hpp"
#include "core/expression/features.hpp"

namespace fastsfes {
namespace {

constexpr std::size_t kMaxPrinted = 1'000'000;
// Printing recurses; text that is parsed has at most 5,000 operations, so that only what programs build meets this.
constexpr int kMaxNesting = 6000;

void check_depth(int depth) {
  if (depth > kMaxNesting) {
    throw InputError("the expression is nested more than " + std::to_string(kMaxNesting) +
                     " operations deep; simplify it");
  }
}

// Binding strength of a printed node: sums, products, signs, powers, what needs no parentheses.
enum Level { kSum = 1, kProduct = 2, kUnary = 3, kPower = 4, kAtom = 5 };

Level level_named(char letter) {
  return letter == 'S' ? kSum : letter == 'P' ? kProduct : letter == 'U' ? kUnary : letter == 'W' ? kPower : kAtom;
}

/// The own level of a node in print with these levels of its row ("" or null: an atom).
Level level(const Graph& g, NodeId id, const char* levels) {
  const Node& n = g[id];
  if (n.op == Op::Constant) return std::signbit(n.value) ? kUnary : kAtom;
  return levels != nullptr && *levels != 0 ? level_named(levels[0]) : kAtom;
}

using Names = std::unordered_map<NodeId, std::string>;

class Infix {
 public:
  /// Nodes with a name are written as that, except where `write` is called for them by `defined`.
  explicit Infix(const Graph& graph, const Names* names = nullptr) : g_(graph), names_(names) {}

  void write(NodeId id, Level least) {
    if (names_ && names_->contains(id)) {
      out += names_->at(id);
    } else {
      defined(id, least);
    }
  }

  void defined(NodeId id, Level least) {
    const Depth guard(depth_);
    if (out.size() > kMaxPrinted) {
      throw InputError("the expression is longer than " + std::to_string(kMaxPrinted) +
                       " characters when written as one formula; simplify it");
    }
    const Node& n = g_[id];
    const OpInfo& info = op_info(n.op);
    const bool parentheses = level(g_, id, info.infix_levels) < least;
    if (parentheses) out += '(';
    if (n.op == Op::Constant) {
      out += number_text(n.value);
    } else if (info.kind == OpKind::Leaf) {
      out += g_.name(id);
    } else if (info.infix != nullptr) {
      for (const char* p = info.infix; *p; ++p) {
        if (*p != '$') {
          out += *p;
          continue;
        }
        const int i = *++p - 'a';
        const NodeId argument = n.args[static_cast<std::size_t>(i)];
        // -(2) is the operation, -2 the number
        const bool number = n.op == Op::Neg && g_.is_constant(argument);
        write(argument, number ? static_cast<Level>(kAtom + 1) : level_named(info.infix_levels[1 + i]));
      }
    } else {
      out += info.name;
      out += '(';
      for (int i = 0; i < info.arity; ++i) {
        if (i > 0) out += ", ";
        write(n.args[static_cast<std::size_t>(i)], kSum);
      }
      out += ')';
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

  const Graph& g_;
  const Names* names_;
  int depth_ = 0;
};

/// How often each node's text is written out, with these names: by its users, or once where it is defined.
std::vector<double> written(const Graph& g, NodeId root, const Names& names) {
  std::vector<double> count(root + 1, 0.0);
  count[root] = 1.0;
  for (NodeId id = root + 1; id-- > 0;) {
    const double times = names.contains(id) ? 1.0 : count[id];
    for (std::size_t k = 0; k < static_cast<std::size_t>(g.arity(id)); ++k) count[g[id].args[k]] += times;
  }
  return count;
}

/// What a typeset formula is written in.
struct Style {
  const char* OpInfo::* spelling;
  const char* FeatureInfo::* feature;
  const char* open;  ///< parentheses that grow with what they hold
  const char* close;
  const char* raised;  ///< what tells a name with an exponent of its own
  const char* minus;   ///< what a negative number or a changed sign begins with
  const char* space;   ///< between the factors of a product
  const char* times;   ///< in its place before a number
  int deepest;
  std::string (*number)(double);
  std::string (*parameter)(const std::string& name);
};

/// Stems of parameters that have a letter of their own: LaTeX command and letter.
constexpr std::array<std::array<const char*, 3>, 4> kLetters{
    {{"gamma", "\\gamma", "γ"}, {"g", "\\gamma", "γ"}, {"kappa", "\\kappa", "κ"}, {"mu", "\\mu", "μ"}}};

/// A parameter's name as stem and index, for example c and 10.
std::pair<std::string, std::string> stem_and_index(const std::string& name) {
  std::size_t cut = name.size();
  while (cut > 0 && name[cut - 1] >= '0' && name[cut - 1] <= '9') --cut;
  return {name.substr(0, cut), name.substr(cut)};
}

/// The row of a stem with a letter of its own; null for the others.
const char* const* letter_of(const std::string& stem) {
  for (const auto& letter : kLetters) {
    if (stem == letter[0]) return letter.data();
  }
  return nullptr;
}

std::string latex_parameter(const std::string& name) {
  const auto [stem, index] = stem_and_index(name);
  std::string escaped;
  for (char c : stem) escaped += c == '_' ? std::string("\\_") : std::string(1, c);
  const char* const* letter = letter_of(stem);
  const std::string body = letter ? letter[1] : escaped.size() == 1 ? escaped : "\\mathrm{" + escaped + "}";
  return index.empty() ? body : body + "_{" + index + "}";
}

std::string mathml_parameter(const std::string& name) {
  const auto [stem, index] = stem_and_index(name);
  const char* const* letter = letter_of(stem);
  const std::string body =
      (letter || stem.size() == 1 ? std::string("<mi>") : std::string("<mi mathvariant=\"normal\">")) +
      (letter ? letter[2] : stem) + "</mi>";
  return index.empty() ? body : "<msub>" + body + "<mn>" + index + "</mn></msub>";
}

std::string label_parameter(const std::string& name) {
  auto [text, index] = stem_and_index(name);
  if (const char* const* letter = letter_of(text)) text = letter[2];
  for (const char digit : index) text += std::string("\xe2\x82") + static_cast<char>(0x80 + (digit - '0'));  // ₀ ... ₉
  return text;
}

/// Mantissa and exponent of a number's text; the exponent is empty where there is none.
std::pair<std::string, std::string> mantissa_and_exponent(double value) {
  std::string text = number_text(value);
  const auto e = text.find('e');
  if (e == std::string::npos) return {text, ""};
  return {text.substr(0, e), std::to_string(std::stoi(text.substr(e + 1)))};
}

std::string latex_number(double value) {
  const auto [mantissa, exponent] = mantissa_and_exponent(value);
  return exponent.empty() ? mantissa : mantissa + "\\times 10^{" + exponent + "}";
}

std::string mathml_integer(std::string text, const char* element = "mn") {
  const bool negative = text[0] == '-';
  if (negative) text.erase(0, 1);
  const std::string number = std::string("<") + element + ">" + text + "</" + element + ">";
  return negative ? "<mo>−</mo>" + number : number;
}

std::string mathml_number(double value) {
  const auto [mantissa, exponent] = mantissa_and_exponent(value);
  if (!std::isfinite(value)) return mathml_integer(mantissa, "mi");
  if (exponent.empty()) return mathml_integer(mantissa);
  return mathml_integer(mantissa) + "<mo>×</mo><msup><mn>10</mn><mrow>" + mathml_integer(exponent) + "</mrow></msup>";
}

// Browsers nest layout less deeply than files nest text.
constexpr int kDeepestMathml = 200;
constexpr Style kLatex{&OpInfo::latex, &FeatureInfo::latex, "\\left(",    "\\right)",     "^", "-", "\\,",
                       "\\cdot ",      kMaxNesting,         latex_number, latex_parameter};
constexpr Style kMathml{&OpInfo::mathml,
                        &FeatureInfo::mathml,
                        "<mrow><mo>(</mo>",
                        "<mo>)</mo></mrow>",
                        "<msup>",
                        "<mo>−</mo>",
                        "<mspace width=\"0.17em\"></mspace>",
                        "<mo>⋅</mo>",
                        kDeepestMathml,
                        mathml_number,
                        mathml_parameter};

/// Whether a typeset factor begins with a digit, in either style.
bool starts_number(const std::string& text) {
  const std::size_t first = text.find_first_not_of('{');  // {2}^{w}
  return text.starts_with("<mn>") || (first != std::string::npos && text[first] >= '0' && text[first] <= '9');
}

/// Writes typeset formulas, each node by its row of the operator table.
class Typesetter {
 public:
  Typesetter(const Graph& graph, const Style& style) : g_(graph), style_(style) {}

  std::string write(NodeId id, Level least = kSum, int depth = 0) {
    if (depth > style_.deepest) {
      throw InputError("the expression is nested more than " + std::to_string(style_.deepest) +
                       " operations deep; simplify it");
    }
    const Node& n = g_[id];
    const OpInfo& info = op_info(n.op);
    std::string out;
    const Level kind = level(g_, id, info.levels);
    bool wrap = kind < least;
    if (info.kind == OpKind::Leaf) {
      out = n.op == Op::Constant ? style_.number(n.value) : symbol(g_.name(id));
      // x^2 to a power needs its own parentheses
      wrap = wrap || (least == kAtom && out.find(style_.raised) != std::string::npos);
    } else {
      for (const char* p = info.*style_.spelling; *p; ++p) {
        if (*p != '$') {
          out += *p;
          continue;
        }
        const int i = *++p - 'a';
        std::string text = write(n.args[static_cast<std::size_t>(i)], level_named(info.levels[1 + i]), depth + 1);
        // neither "a + -b" nor "a -b" nor "2 3"
        if (kind <= kUnary && !out.empty()) {
          if (text.starts_with(style_.minus)) text = style_.open + text + style_.close;
          if (out.ends_with(style_.space) && starts_number(text)) {
            out.replace(out.size() - std::string_view(style_.space).size(), std::string::npos, style_.times);
          }
        }
        out += text;
      }
    }
    if ((length_ += out.size()) > 50 * kMaxPrinted) {
      throw InputError("the expression is too long to be typeset; simplify it");
    }
    return wrap ? style_.open + out + style_.close : out;
  }

  std::string symbol(const std::string& name) const {
    const FeatureInfo* feature = find_feature(name);
    return feature != nullptr ? feature->*style_.feature : style_.parameter(name);
  }

 private:
  const Graph& g_;
  const Style& style_;
  std::size_t length_ = 0;
};

/// The terms of a sum, each with its sign in front of it.
void collect_terms(const Graph& g, NodeId id, Typesetter& writer, std::vector<std::string>& terms, int depth = 0) {
  check_depth(depth);
  const Node& n = g[id];
  if (n.op == Op::Add || n.op == Op::Sub) {
    // a sum that is subtracted stays together
    collect_terms(g, n.args[0], writer, terms, depth + 1);
    const bool minus = n.op == Op::Sub;
    const Op right = g[n.args[1]].op;
    if (!minus && (right == Op::Add || right == Op::Sub)) {
      collect_terms(g, n.args[1], writer, terms, depth + 1);
      return;
    }
    terms.push_back(std::string(minus ? "<mo form=\"infix\">−</mo>" : "<mo form=\"infix\">+</mo>") +
                    writer.write(n.args[1], minus ? kProduct : kSum));
    return;
  }
  terms.push_back((terms.empty() ? "" : "<mo form=\"infix\">+</mo>") + writer.write(id));
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

std::string print_named(const Graph& graph, NodeId root) {
  Names names;
  const auto length = [&] {
    std::vector<double> found(root + 1, 0.0);
    for (NodeId id = 0; id <= root; ++id) {
      const Op op = graph[id].op;
      if (op == Op::Constant) found[id] = static_cast<double>(number_text(graph[id].value).size());
      if (op == Op::Parameter || op == Op::Feature) found[id] = static_cast<double>(graph.name(id).size());
      const int arity = graph.arity(id);
      const bool symbol = arity > 0 && level(graph, id, op_info(op).infix_levels) != kAtom;
      if (symbol) found[id] = op == Op::Add || op == Op::Sub ? 3.0 : op == Op::Pow ? 2.0 : 1.0;
      if (arity > 0 && !symbol) {
        found[id] = static_cast<double>(std::string_view(op_info(op).name).size()) + 2.0 * arity;
      }
      for (std::size_t k = 0; k < static_cast<std::size_t>(arity); ++k) {
        const auto name = names.find(graph[id].args[k]);
        found[id] += name == names.end() ? found[graph[id].args[k]] : static_cast<double>(name->second.size());
      }
    }
    return found;
  };
  const auto text = [&](NodeId id) {
    Infix writer(graph, &names);
    writer.defined(id, kSum);
    return std::move(writer.out);
  };
  const auto taken = [&](const std::string& name) {
    const auto& parameters = graph.parameters();
    return std::find(parameters.begin(), parameters.end(), name) != parameters.end();
  };
  for (int number = 1;; ++number) {
    const std::string name = "y" + std::to_string(number);
    if (taken(name)) continue;
    const std::vector<double> count = written(graph, root, names), lengths = length();
    NodeId best = root;
    double most = 0.0;
    for (NodeId id = 0; id < root; ++id) {
      if (graph.arity(id) == 0 || count[id] < 2.0 || names.contains(id)) continue;
      const auto own = static_cast<double>(name.size());
      const double saved = count[id] * (lengths[id] - own) - lengths[id] - own - 5.0;  // "name = text; "
      if (saved <= most) continue;
      most = saved;
      best = id;
    }
    if (best == root) break;
    names.emplace(best, name);
  }
  std::string out;
  int number = 0;
  Names final;  // numbered as they are read
  for (NodeId id = 0; id < root; ++id) {
    if (!names.contains(id)) continue;
    std::string name;
    do {
      name = "y" + std::to_string(++number);
    } while (taken(name));
    final.emplace(id, name);
  }
  names = std::move(final);
  for (NodeId id = 0; id < root; ++id) {
    if (names.contains(id)) out += names.at(id) + " = " + text(id) + "; ";
  }
  return out + text(root);
}

std::string print_latex(const Graph& graph, NodeId root) { return Typesetter(graph, kLatex).write(root); }

std::vector<std::string> print_mathml(const Graph& graph, NodeId root) {
  Typesetter writer(graph, kMathml);
  std::vector<std::string> terms;
  collect_terms(graph, root, writer, terms);
  return terms;
}

std::string print_symbol(const std::string& name) {
  const FeatureInfo* feature = find_feature(name);
  return feature != nullptr ? feature->label : label_parameter(name);
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
    if ((length += text[id].size()) > 50 * kMaxPrinted)
      throw InputError("the expression is too long to be written as one formula; simplify it");
  }
  return text[root];
}

}  // namespace fastsfes
