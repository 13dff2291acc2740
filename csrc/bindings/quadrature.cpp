#include "core/quadrature/quadrature.hpp"

#include <algorithm>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "bindings/bindings.hpp"
#include "core/base/error.hpp"
#include "core/fit/reaction_loss.hpp"

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

EnergyMatrix make_matrix(const Array& values) {
  if (values.ndim() != 2) throw InputError("the matrix must have two dimensions");
  return EnergyMatrix(view(values), static_cast<std::size_t>(values.shape(0)),
                      static_cast<std::size_t>(values.shape(1)));
}

/// Vectors of node values: (columns,) or (count, columns).
std::size_t vector_count(const Array& f, std::size_t columns) {
  if (f.ndim() == 1 && static_cast<std::size_t>(f.shape(0)) == columns) return 1;
  if (f.ndim() == 2 && static_cast<std::size_t>(f.shape(1)) == columns) return static_cast<std::size_t>(f.shape(0));
  throw InputError("node values must have shape (" + std::to_string(columns) + ",) or (n, " + std::to_string(columns) +
                   ")");
}

Array result_like(const Array& f, std::size_t count, std::size_t length) {
  if (f.ndim() == 1) return Array(std::vector<std::size_t>{length});
  return Array(std::vector<std::size_t>{count, length});
}

Array product(const EnergyMatrix& self, const Array& f) {
  const std::size_t count = vector_count(f, self.columns());
  Array out = result_like(f, count, self.rows());
  const auto target = result_view(out);
  const Interruptible interruptible;
  self.product(view(f), count, target);
  return out;
}

Array transpose_product(const EnergyMatrix& self, const Array& g) {
  if (g.ndim() != 1) throw InputError("expected a vector with one value per row");
  Array out(std::vector<std::size_t>{self.columns()});
  const auto target = result_view(out);
  const Interruptible interruptible;
  self.transpose_product(view(g), target);
  return out;
}

Array loss_errors(const ReactionLoss& self, const Array& f) {
  const std::size_t count = vector_count(f, self.matrix().columns());
  Array out = result_like(f, count, self.reactions());
  const auto target = result_view(out);
  const Interruptible interruptible;
  self.errors(view(f), count, target);
  return out;
}

py::object loss_wrmsd(const ReactionLoss& self, const Array& f) {
  const std::size_t count = vector_count(f, self.matrix().columns());
  Array out(std::vector<std::size_t>{count});
  const auto target = result_view(out);
  {
    const Interruptible interruptible;
    self.wrmsd(view(f), count, target);
  }
  if (f.ndim() == 1) return py::float_(target[0]);
  return out;
}

py::tuple loss_gradient(const ReactionLoss& self, const Array& f) {
  if (f.ndim() != 1) throw InputError("the gradient takes one vector of node values");
  vector_count(f, self.matrix().columns());
  Array out(std::vector<std::size_t>{self.matrix().columns()});
  const auto target = result_view(out);
  double value = 0.0;
  {
    const Interruptible interruptible;
    value = self.gradient(view(f), target);
  }
  return py::make_tuple(value, out);
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

  py::class_<EnergyMatrix>(m, "EnergyMatrix", "Padded, aligned matrix for products with node values.")
      .def(py::init(&make_matrix), py::arg("values"))
      .def_property_readonly("shape", [](const EnergyMatrix& s) { return py::make_tuple(s.rows(), s.columns()); })
      .def_property_readonly("nbytes", &EnergyMatrix::bytes)
      .def("product", &product, py::arg("f"))
      .def("transpose_product", &transpose_product, py::arg("g"));

  py::class_<ReactionLoss>(m, "ReactionLoss", "Errors and WRMSD of reactions from node values.")
      .def(py::init([](const Array& matrix, const std::vector<std::int64_t>& row_start,
                       const std::vector<std::int32_t>& species, const std::vector<double>& coefficient,
                       const std::vector<double>& offset, const std::vector<double>& weight) {
             return ReactionLoss(make_matrix(matrix), row_start, species, coefficient, offset, weight);
           }),
           py::arg("matrix"), py::arg("row_start"), py::arg("species"), py::arg("coefficient"), py::arg("offset"),
           py::arg("weight"))
      .def_property_readonly("reactions", &ReactionLoss::reactions)
      .def_property_readonly("nbytes", [](const ReactionLoss& s) { return s.matrix().bytes(); })
      .def("errors", &loss_errors, py::arg("f"))
      .def("wrmsd", &loss_wrmsd, py::arg("f"))
      .def("gradient", &loss_gradient, py::arg("f"));
}

}  // namespace fastsfes::bindings
