#include "bindings/bindings.hpp"
#include "core/expression/expression.hpp"
#include "core/family/recognise.hpp"
#include "core/family/tidy.hpp"

namespace fastsfes::bindings {

void register_family(py::module_& m) {
  m.def("linear_parameters", &family::linear_parameters, py::arg("expression"));
  m.def(
      "tidy",
      [](const Expression& e, const std::map<std::string, double>& values) {
        family::Tidied found = family::tidy(e, values);
        py::dict parameters;  // in the order in which the formula names them
        for (const std::string& p : found.expression.parameters()) parameters[py::str(p)] = found.values.at(p);
        return py::make_tuple(std::move(found.expression), parameters);
      },
      py::arg("expression"), py::arg("values"));
  m.def(
      "tidied_nodes", [](const std::string& text) { return family::tidied_nodes(Expression::parse(text)); },
      py::arg("text"));
  py::class_<family::Recogniser>(m, "Recogniser")
      .def(py::init<std::map<std::string, std::vector<double>>, std::vector<std::vector<double>>>(),
           py::arg("features"), py::arg("directions"))
      .def(
          "recognise",
          [](const family::Recogniser& self, const std::string& text) {
            const family::Family found = self.recognise(Expression::parse(text));
            return py::make_tuple(found.fingerprint, found.dimension);
          },
          py::arg("text"));
}

}  // namespace fastsfes::bindings
