#include "bindings/bindings.hpp"
#include "bindings/polling.hpp"
#include "core/expression/expression.hpp"
#include "core/expression/linearity.hpp"
#include "core/family/normal_form.hpp"
#include "core/family/recognise.hpp"

namespace fastsfes::bindings {

void register_family(py::module_& m) {
  m.def(
      "linear_parameters",
      [](const Expression& e) {
        const Polling polling;
        return family::linear_parameters(e);
      },
      py::arg("expression"));
  m.def(
      "scale_parameters",
      [](const Expression& e) {
        const std::vector<char> scales = block_parameters(e.graph(), e.root());
        std::vector<std::string> names;
        for (std::size_t p = 0; p < scales.size(); ++p) {
          if (scales[p]) names.push_back(e.graph().parameters()[p]);
        }
        return names;
      },
      py::arg("expression"));
  m.def(
      "normal_form",
      [](const Expression& e, const std::map<std::string, double>& values) {
        const Polling polling;
        family::NormalForm found = family::normal_form(e, values);
        py::dict parameters;  // in the order in which the formula names them
        if (!values.empty()) {
          for (const std::string& p : found.expression.parameters()) parameters[py::str(p)] = found.values.at(p);
        }
        return py::make_tuple(std::move(found.expression), parameters);
      },
      py::arg("expression"), py::arg("values"));
  py::class_<family::Recogniser>(m, "Recogniser")
      .def(py::init<std::map<std::string, std::vector<double>>, std::vector<std::vector<double>>>(),
           py::arg("features"), py::arg("directions"))
      .def(
          "recognise",
          [](const family::Recogniser& self, const std::string& text) {
            const Polling polling;
            return self.recognise(Expression::parse(text));
          },
          py::arg("text"));
}

}  // namespace fastsfes::bindings
