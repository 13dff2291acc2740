#include "core/expression/parser.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <version>

#if !defined(__cpp_lib_to_chars)
#include <locale.h>
#if defined(__APPLE__)
#include <xlocale.h>
#endif
#endif

#include "core/base/error.hpp"
#include "core/expression/features.hpp"

namespace fastsfes {
namespace {

// Bounds that no honest expression meets; they keep a hostile file from exhausting stack or memory.
constexpr std::size_t kMaxText = 1'000'000;
constexpr int kMaxDepth = 200;
constexpr std::size_t kMaxNodes = 5'000;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

#if defined(__cpp_lib_to_chars)
std::from_chars_result read_number(const char* first, const char* last, double& value) {
  return std::from_chars(first, last, value);
}
#else
/// LLVM's library before its version 20 reads integers alone; here digits, point and exponent in any locale.
std::from_chars_result read_number(const char* first, const char* last, double& value) {
  const auto digits = [last](const char* at) {
    while (at != last && is_digit(*at)) ++at;
    return at;
  };
  const char* end = digits(first);
  if (end != last && *end == '.') end = digits(end + 1);
  if (end != last && (*end == 'e' || *end == 'E')) {
    const char* exponent = end + 1;
    if (exponent != last && (*exponent == '+' || *exponent == '-')) ++exponent;
    if (const char* after = digits(exponent); after != exponent) end = after;
  }
  static const locale_t plain = newlocale(LC_ALL_MASK, "C", nullptr);
  value = strtod_l(std::string(first, end).c_str(), nullptr, plain);
  const bool fits = std::isfinite(value) &&
                    (value != 0.0 || std::string_view(first, end).find_first_of("123456789") == std::string_view::npos);
  return {end, fits ? std::errc{} : std::errc::result_out_of_range};
}
#endif

/// Control characters, NUL included, would cut or garble a message.
std::string printable(std::string text) {
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);  // char has a sign on some machines only
    if (byte < ' ' || byte == 0x7f) c = '?';
  }
  return text;
}

class Parser {
 public:
  Parser(Graph& graph, std::string_view text) : graph_(graph), text_(text) {
    if (text.size() > kMaxText) {
      throw InputError("expression of " + std::to_string(text.size()) + " characters: at most " +
                       std::to_string(kMaxText) + " are read; split it into channels");
    }
    next();
  }

  NodeId program() {
    if (kind_ == Kind::End) fail("the expression is empty; write a formula such as c0 + c1*u(x2, g)");
    for (;;) {
      const std::size_t start = start_;
      if (kind_ == Kind::Name && peek_assignment()) {
        assignment();
        continue;
      }
      const NodeId root = sum();
      if (symbol(";")) next();
      if (kind_ != Kind::End) {
        if (symbol("="))
          fail("\"=\" stands for an assignment, name = expression; what is before it is not a free name", start);
        fail("expected an operator (+ - * / **) or the end");
      }
      return root;
    }
  }

 private:
  enum class Kind { Number, Name, Symbol, End };

  /// The end of the UTF-8 character that `position` may have cut: messages must stay valid text.
  std::size_t whole(std::size_t position) const {
    while (position < text_.size() && (static_cast<unsigned char>(text_[position]) & 0xC0U) == 0x80U) ++position;
    return position;
  }

  [[noreturn]] void fail(const std::string& what, std::size_t at = std::string_view::npos) const {
    if (at == std::string_view::npos) at = start_;
    std::size_t end = std::min(at + 1, text_.size());
    if (at < text_.size() && is_letter(text_[at])) {
      while (end < text_.size() && (is_letter(text_[end]) || is_digit(text_[end]))) ++end;
    }
    const std::size_t stop = whole(std::min(end, at + 60));
    const std::string token =
        at >= text_.size() ? "the end"
                           : "\"" + std::string(text_.substr(at, stop - at)) + (stop < whole(end) ? "...\"" : "\"");
    const std::size_t limit = whole(std::min<std::size_t>(200, text_.size()));
    const std::string shown = std::string(text_.substr(0, limit)) + (limit < text_.size() ? "..." : "");
    throw InputError(
        printable("at " + token + " (column " + std::to_string(at + 1) + ") of expression \"" + shown + "\": " + what));
  }

  void next() {
    while (pos_ < text_.size() &&
           (text_[pos_] == ' ' || text_[pos_] == '\t' || text_[pos_] == '\n' || text_[pos_] == '\r'))
      ++pos_;
    start_ = pos_;
    if (graph_.size() > kMaxNodes)
      fail("more than " + std::to_string(kMaxNodes) + " operations; split it into channels");
    if (pos_ == text_.size()) {
      kind_ = Kind::End;
      token_ = {};
      return;
    }
    const char c = text_[pos_];
    if (is_letter(c)) {
      while (pos_ < text_.size() && (is_letter(text_[pos_]) || is_digit(text_[pos_]))) ++pos_;
      kind_ = Kind::Name;
    } else if (is_digit(c) || (c == '.' && pos_ + 1 < text_.size() && is_digit(text_[pos_ + 1]))) {
      const auto [end, error] = read_number(text_.data() + pos_, text_.data() + text_.size(), number_);
      pos_ = static_cast<std::size_t>(end - text_.data());
      kind_ = Kind::Number;
      token_ = text_.substr(start_, pos_ - start_);
      if (error != std::errc{} || !std::isfinite(number_)) fail("the number is outside double precision");
      if (pos_ < text_.size() && (is_letter(text_[pos_]) || text_[pos_] == '.'))
        fail("a number is followed by \"" + std::string(1, text_[pos_]) + "\"; write * for a product");
      return;
    } else {
      ++pos_;
      if (c == '*' && pos_ < text_.size() && text_[pos_] == '*') ++pos_;
      kind_ = Kind::Symbol;
    }
    token_ = text_.substr(start_, pos_ - start_);
    if (kind_ == Kind::Symbol) {
      if (token_ == "^") fail("powers are written **, not ^");
      if (token_.size() == 1 && std::string_view("+-*/(),;=").find(c) == std::string_view::npos) {
        fail("this character has no meaning here; expressions are made of numbers, names, + - * / ** ( ) , ; and =");
      }
    }
  }

  bool symbol(std::string_view s) const { return kind_ == Kind::Symbol && token_ == s; }

  bool peek_assignment() const {
    std::size_t p = pos_;
    while (p < text_.size() && (text_[p] == ' ' || text_[p] == '\t' || text_[p] == '\n' || text_[p] == '\r')) ++p;
    return p < text_.size() && text_[p] == '=';
  }

  void assignment() {
    const std::string name(token_);
    if (find_feature(name) != nullptr) fail("\"" + name + "\" is a feature and cannot be assigned; take another name");
    if (find_function(name)) fail("\"" + name + "\" is an operator and cannot be assigned; take another name");
    if (variables_.count(name)) fail("\"" + name + "\" is assigned twice; take another name");
    next();
    next();  // "="
    const NodeId value = sum();
    if (!symbol(";")) fail("an assignment ends with ;");
    next();
    variables_.emplace(name, value);
  }

  struct Depth {
    explicit Depth(Parser& p) : parser(p) {
      if (++parser.depth_ > kMaxDepth)
        parser.fail("nested more than " + std::to_string(kMaxDepth) +
                    " deep; assign parts to names (name = expression;)");
    }
    ~Depth() { --parser.depth_; }
    Parser& parser;
  };

  NodeId sum() {
    const Depth guard(*this);
    NodeId left = product();
    while (symbol("+") || symbol("-")) {
      const Op op = symbol("+") ? Op::Add : Op::Sub;
      next();
      left = graph_.node(op, left, product());
    }
    return left;
  }

  NodeId product() {
    NodeId left = unary();
    while (symbol("*") || symbol("/")) {
      const Op op = symbol("*") ? Op::Mul : Op::Div;
      next();
      left = graph_.node(op, left, unary());
    }
    return left;
  }

  NodeId unary() {
    if (!symbol("-") && !symbol("+")) return power();
    const Depth guard(*this);
    const bool minus = symbol("-");
    next();
    if (minus && kind_ == Kind::Number) {
      const double value = number_;
      const std::size_t start = start_;
      next();
      if (!symbol("**")) return graph_.constant(-value);
      // -2**x is -(2**x): read the number again as the base of the power
      pos_ = start;
      next();
    }
    const NodeId value = unary();
    return minus ? graph_.node(Op::Neg, value) : value;
  }

  NodeId power() {
    const NodeId base = atom();
    if (!symbol("**")) return base;
    const Depth guard(*this);
    next();
    return graph_.node(Op::Pow, base, unary());
  }

  NodeId atom() {
    if (kind_ == Kind::Number) {
      const NodeId id = graph_.constant(number_);
      next();
      return id;
    }
    if (kind_ == Kind::Name) return name();
    if (symbol("(")) {
      next();
      const NodeId inner = sum();
      if (!symbol(")")) fail("expected \")\"");
      next();
      return inner;
    }
    fail("expected a number, a name or \"(\"");
  }

  NodeId name() {
    const std::string name(token_);
    const std::size_t start = start_;
    next();
    if (!symbol("(")) {
      const auto it = variables_.find(name);
      if (it != variables_.end()) return it->second;
      if (find_feature(name) != nullptr) return graph_.feature(name);
      if (find_function(name)) fail("\"" + name + "\" is an operator and needs arguments in parentheses", start);
      return graph_.parameter(name);
    }
    const auto op = find_function(name);
    if (!op) {
      std::string known;
      for (const auto& row : all_operators()) {
        if (find_function(row.name)) known += (known.empty() ? "" : ", ") + std::string(row.name);
      }
      fail("\"" + name + "\" is not an operator; known: " + known, start);
    }
    const int arity = op_info(*op).arity;
    std::array<NodeId, kMaxArity> args{};
    int count = 0;
    do {
      next();
      const NodeId arg = sum();
      if (count < kMaxArity) args[static_cast<std::size_t>(count)] = arg;
      ++count;
    } while (symbol(","));
    if (!symbol(")")) fail("expected \",\" or \")\"");
    if (count != arity) {
      fail(name + " takes " + std::to_string(arity) + (arity == 1 ? " argument" : " arguments") + ", got " +
               std::to_string(count) + ": " + op_info(*op).summary,
           start);
    }
    next();
    return graph_.node(*op, args);
  }

  Graph& graph_;
  std::string_view text_, token_;
  std::size_t pos_ = 0, start_ = 0;
  Kind kind_ = Kind::End;
  double number_ = 0.0;
  int depth_ = 0;
  std::map<std::string, NodeId> variables_;
};

}  // namespace

NodeId parse(Graph& graph, std::string_view text) { return Parser(graph, text).program(); }

}  // namespace fastsfes
