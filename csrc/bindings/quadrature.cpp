#include "core/quadrature/quadrature.hpp"

#include <algorithm>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "bindings/bindings.hpp"
#include "core/base/error.hpp"

namespace fastsfes::bindings {

namespace {

std::span<const double> view(const Array& array) { return {array.data(), static_cast<std::size_t>(array.size())}; }

std::span<double> result_view(Array& array) { return {array.mutable_data(), static_cast<std::size_t>(array.size())}; }

void need_matrix(const Array& array, const char* name, std::size_t columns) {
  if (array.ndim() != 2 || static_cast<std::size_t>(array.shape(1)) != columns) {
    throw InputError(std::string(name) + " must have shape (n, " + std::to_string(columns) + ")");
  }
}

AxisMap parse_map(const std::string& name) {
  if (name == "linear") return AxisMap::linear;
  if (name == "log1p") return AxisMap::log1p;
  if (name == "log") return AxisMap::log;
  if (name == "u") return AxisMap::u;
  throw InputError("axis map \"" + name + "\" is unknown; expected linear, log1p, log or u");
}

/// (map, scale, lower, upper, nodes, order)
using AxisTuple = std::tuple<std::string, double, double, double, int, int>;

TensorNodes make_nodes(const std::vector<AxisTuple>& axes) {
  std::vector<Axis> parsed;
  for (const auto& [map, scale, lower, upper, nodes, order] : axes) {
    parsed.push_back(Axis{parse_map(map), scale, lower, upper, nodes, order});
  }
  return TensorNodes(std::move(parsed));
}

Array node_features(const TensorNodes& self) {
  Array out({self.size(), self.dimension()});
  self.features(result_view(out));
  return out;
}

py::tuple scatter(const TensorNodes& self, const Array& points, const Array& weights) {
  need_matrix(points, "points", self.dimension());
  need_matrix(weights, "weights", static_cast<std::size_t>(points.shape(0)));
  const auto rows = static_cast<std::size_t>(weights.shape(0));
  Array out({rows, self.size()});
  const auto target = result_view(out);
  std::int64_t outside = 0;
  {
    const Interruptible interruptible;
    std::fill(target.begin(), target.end(), 0.0);
    outside = self.scatter(view(points), view(weights), rows, target);
  }
  return py::make_tuple(out, outside);
}

Array interpolate(const TensorNodes& self, const Array& points, const Array& values) {
  need_matrix(points, "points", self.dimension());
  need_matrix(values, "values", self.size());
  const auto rows = static_cast<std::size_t>(values.shape(0));
  Array out({rows, static_cast<std::size_t>(points.shape(0))});
  const auto target = result_view(out);
  const Interruptible interruptible;
  self.interpolate(view(points), view(values), rows, target);
  return out;
}

}  // namespace

void register_quadrature(py::module_& m) {
  py::class_<TensorNodes>(m, "TensorNodes", "Tensor grid of nodes with local Lagrange interpolation.")
      .def(py::init(&make_nodes), py::arg("axes"))
      .def_property_readonly("size", &TensorNodes::size)
      .def_property_readonly("dimension", &TensorNodes::dimension)
      .def("features", &node_features, "Features of the nodes, (size, dimension).")
      .def("scatter", &scatter, py::arg("points"), py::arg("weights"),
           "Move weights (rows, n) of points (n, dimension) onto the nodes: ((rows, size), number of points outside).")
      .def("interpolate", &interpolate, py::arg("points"), py::arg("values"),
           "Interpolate node values (rows, size) at points (n, dimension): (rows, n).");
}

}  // namespace fastsfes::bindings
