#include "core/expression/expression.hpp"

#include <optional>
#include <tuple>

#include "bindings/bindings.hpp"
#include "bindings/polling.hpp"
#include "core/base/error.hpp"
#include "core/expression/assemble.hpp"
#include "core/expression/normal/shorten.hpp"
#include "core/expression/normal/size.hpp"
#include "core/expression/printer.hpp"

namespace fastsfes::bindings {
namespace {

Op operator_named(const std::string& name) {
  for (const OpInfo& info : all_operators()) {
    if (info.kind != OpKind::Leaf && name == info.name) return info.op;
  }
  throw InputError("\"" + name + "\" is not an operator of fastsfes; fastsfes._core.operators() lists them");
}

/// Operator, constant last argument, whether it is added to the output, output, other arguments.
using PlainLine = std::tuple<std::string, std::optional<double>, bool, std::string, std::vector<std::string>>;

/// A method of Expression that signals can end.
template <typename Result, typename... Arguments>
auto polled(Result (Expression::*method)(Arguments...) const) {
  return [method](const Expression& e, const std::decay_t<Arguments>&... arguments) {
    const Polling polling;
    return (e.*method)(arguments...);
  };
}

}  // namespace

py::list node_rows(const Graph& g) {
  py::list rows;
  for (NodeId id = 0; id < g.size(); ++id) {
    const Node& n = g[id];
    const OpInfo& info = op_info(n.op);
    py::tuple args(static_cast<std::size_t>(info.arity));
    for (std::size_t i = 0; i < args.size(); ++i) args[i] = n.args[i];
    py::object payload = py::none();
    if (n.op == Op::Constant) payload = py::float_(n.value);
    if (n.op == Op::Parameter || n.op == Op::Feature) payload = py::str(g.name(id));
    rows.append(py::make_tuple(info.name, args, payload));
  }
  return rows;
}

void register_expression(py::module_& m) {
  py::class_<Expression>(m, "Expression")
      .def_static(
          "parse",
          [](const std::string& text) {
            const Polling polling;
            return Expression::parse(text);
          },
          py::arg("text"))
      .def_static("constant", &Expression::constant, py::arg("value"))
      .def_static(
          "apply",
          [](const std::string& name, const std::vector<Expression>& args) {
            return Expression::apply(operator_named(name), args);
          },
          py::arg("operator"), py::arg("args"))
      .def("__str__", &Expression::str)
      .def("named", &Expression::named)
      .def("to_latex", &Expression::latex)
      .def("to_mathml", [](const Expression& e) { return print_mathml(e.graph(), e.root()); })
      .def_property_readonly("features", &Expression::features)
      .def_property_readonly("parameters", &Expression::parameters)
      .def_property_readonly("complexity", &Expression::complexity)
      .def("derivative", polled(&Expression::derivative), py::arg("name"))
      .def("substitute", polled(&Expression::substitute), py::arg("replacements"))
      .def("counts", [](const Expression& e) { return normal::counted(e.graph(), e.root()); })
      .def("simplify",
           [](const Expression& e) {
             const Polling polling;
             return normal::readable(e, e.complexity());
           })
      .def("expand",
           [](const Expression& e) {
             const Polling polling;
             return normal::multiplied_out(e);
           })
      .def("fold", polled(&Expression::fold), py::arg("regular") = false)
      .def("define", polled(&Expression::define))
      .def("nodes", [](const Expression& e) { return node_rows(e.graph()); })
      .def(
          "spell",
          [](const Expression& e, const std::string& language,
             const std::unordered_map<std::string, std::string>& names) {
            const Spelling spelling = language == "cpp" ? Spelling::Cpp : Spelling::Maple;
            if (language != "cpp" && language != "maple")
              throw InputError("language \"" + language + "\": expected \"cpp\" or \"maple\"");
            const Expression flat = e.define();
            return print_spelling(flat.graph(), flat.root(), spelling, [&](NodeId id) {
              if (flat.graph()[id].op == Op::Constant) {
                const std::string text = number_text(flat.graph()[id].value);
                return text[0] == '-' ? "(" + text + ")" : text;
              }
              const auto it = names.find(flat.graph().name(id));
              if (it == names.end()) throw InputError("no spelling given for \"" + flat.graph().name(id) + "\"");
              return it->second;
            });
          },
          py::arg("language"), py::arg("names"))
      .def("__eq__",
           [](const Expression& a, const py::object& b) {
             return py::isinstance<Expression>(b) && a == b.cast<const Expression&>();
           })
      .def("__hash__", [](const Expression& e) { return py::hash(py::str(e.str())); });
  py::class_<Assembler>(m, "Assembler")
      .def(py::init<const std::unordered_map<std::string, Expression>&>(), py::arg("start"))
      .def(
          "run",
          [](const Assembler& self, const std::vector<PlainLine>& plain, const std::string& output) {
            std::vector<Line> lines;
            for (const auto& [name, constant, accumulates, target, arguments] : plain) {
              lines.push_back({operator_named(name), constant, accumulates, target, arguments});
            }
            return self.run(lines, output);
          },
          py::arg("lines"), py::arg("output"));
}

}  // namespace fastsfes::bindings
