#include "core/program/program.hpp"

#include <array>
#include <optional>

#include "bindings/bindings.hpp"
#include "bindings/polling.hpp"
#include "core/base/error.hpp"
#include "core/base/result_memory.hpp"
#include "core/base/team.hpp"
#include "core/expression/expression.hpp"
#include "core/program/driver.hpp"

namespace fastsfes::bindings {
namespace {

Program make_program(const std::vector<Expression>& expressions) {
  if (expressions.empty()) throw InputError("a program needs at least one expression");
  const Polling polling;
  Graph g;
  std::vector<NodeId> roots;
  for (const Expression& e : expressions) roots.push_back(g.import(e.graph(), e.root()));
  return {g, roots};
}

std::vector<double> parameter_values(const Program& p, const Array& values) {
  if (values.ndim() != 1 || static_cast<std::size_t>(values.size()) != p.parameters().size()) {
    throw InputError("parameters: expected a vector of " + std::to_string(p.parameters().size()) + " values, got " +
                     std::to_string(values.size()));
  }
  return {values.data(), values.data() + values.size()};
}

/// Checks the feature arrays: one contiguous vector per feature of the program, all of one length.
std::vector<const double*> feature_pointers(const Program& p, const std::vector<Array>& features, std::size_t& n) {
  if (features.size() != p.features().size()) {
    throw InputError("features: expected " + std::to_string(p.features().size()) + " arrays, got " +
                     std::to_string(features.size()));
  }
  std::vector<const double*> pointers;
  for (std::size_t j = 0; j < features.size(); ++j) {
    const auto size = static_cast<std::size_t>(features[j].size());
    if (features[j].ndim() != 1 || (j > 0 && size != n)) {
      throw InputError("feature \"" + p.features()[j] + "\": expected a vector" +
                       (j > 0 ? " of " + std::to_string(n) + " values like the others" : "") + ", got " +
                       std::to_string(features[j].ndim()) + " dimensions and " + std::to_string(size) + " values");
    }
    n = size;
    pointers.push_back(features[j].data());
  }
  return pointers;
}

/// An uninitialised array; large ones reuse the memory of earlier ones.
py::array_t<double> new_result(const std::array<py::ssize_t, 2>& shape) {
  const auto count = static_cast<std::size_t>(shape[0] * shape[1]);
  if (count * sizeof(double) < kLargeResult) return py::array_t<double>(shape);
  auto memory = std::make_unique<ResultMemory>(take_result_memory(count));
  double* const data = memory->get();
  const py::capsule owner(memory.get(), [](void* held) { delete static_cast<ResultMemory*>(held); });
  memory.release();
  return py::array_t<double>(shape, data, owner);
}

}  // namespace

void register_program(py::module_& m) {
  m.def("kept_result_memory", &kept_result_memory);
  m.def(
      "straight_line",
      [](const std::vector<Expression>& expressions, bool roots_for_powers) {
        Graph g;
        std::vector<NodeId> roots;
        for (const Expression& e : expressions) {
          roots.push_back(g.import(e.graph(), e.root(), {}, true));
          if (!roots_for_powers) roots.back() = expand_defined(g, roots.back());
        }
        if (roots_for_powers) roots = lower(g, std::move(roots));
        return py::make_tuple(node_rows(g), roots);
      },
      py::arg("expressions"), py::arg("roots_for_powers") = true,
      "Several expressions as one graph without defined operators: its nodes in order of evaluation, and which of them "
      "are the values. Constant powers become products and roots unless told otherwise.");
  m.def(
      "borrow_threads",
      [](std::uintptr_t parallel, std::uintptr_t max_threads) {
        borrow_threads({reinterpret_cast<decltype(OpenMP::parallel)>(parallel),
                        reinterpret_cast<decltype(OpenMP::max_threads)>(max_threads)});
      },
      py::arg("parallel"), py::arg("max_threads"),
      "Evaluate in the threads of another OpenMP, given by the addresses of its GOMP_parallel and "
      "omp_get_max_threads.");
  py::class_<Program>(m, "Program")
      .def(py::init(&make_program), py::arg("expressions"))
      .def("expect_reuse", &Program::expect_reuse,
           "Say that it will be evaluated again and again: its kernel is made from the first use on.")
      .def_property_readonly("features", &Program::features)
      .def_property_readonly("parameters", &Program::parameters)
      .def_property_readonly("outputs", &Program::outputs)
      .def_property_readonly("registers", &Program::registers)
      .def_property_readonly("instructions", [](const Program& p) { return p.instructions().size(); })
      .def_property_readonly("signature", &Program::signature)
      .def(
          "evaluate",
          [](const Program& p, const std::vector<Array>& features, const Array& parameters, std::size_t n, int threads,
             int backend, std::optional<py::array_t<double, py::array::c_style>> given) {
            std::size_t size = n;
            const auto pointers = feature_pointers(p, features, size);
            const auto values = parameter_values(p, parameters);
            const std::array<py::ssize_t, 2> shape = {static_cast<py::ssize_t>(p.outputs()),
                                                      static_cast<py::ssize_t>(size)};
            if (given && (given->ndim() != 2 || given->shape(0) != shape[0] || given->shape(1) != shape[1] ||
                          !given->writeable())) {
              throw InputError("out: expected a writeable array of shape (" + std::to_string(shape[0]) + ", " +
                               std::to_string(shape[1]) + ")");
            }
            py::array_t<double> out = given ? py::array_t<double>(*given) : new_result(shape);
            std::vector<double*> outputs(p.outputs());
            for (std::size_t k = 0; k < outputs.size(); ++k) outputs[k] = out.mutable_data() + k * size;
            {
              const Interruptible interruptible;
              evaluate(p, values.data(), pointers.data(), size, outputs.data(), threads,
                       static_cast<jit::Backend>(backend));
            }
            emit_jit_warning();
            return out;
          },
          py::arg("features"), py::arg("parameters"), py::arg("n") = 1, py::arg("threads") = 0, py::arg("backend") = -1,
          py::arg("out").noconvert() = py::none())
      .def(
          "segment_sums",
          [](const Program& p, const std::vector<Array>& features, const Array& parameters, const Array& weights,
             const py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>& offsets, int threads,
             int backend) {
            if (weights.ndim() != 1 &&
                (weights.ndim() != 2 || static_cast<std::size_t>(weights.shape(0)) != p.outputs())) {
              throw InputError("weights: expected a vector, or " + std::to_string(p.outputs()) +
                               " rows, one for each output");
            }
            const auto expected = static_cast<std::size_t>(weights.shape(weights.ndim() - 1));
            std::size_t size = expected;
            const auto pointers = feature_pointers(p, features, size);
            if (size != expected)
              throw InputError("weights: expected " + std::to_string(size) + " values like the features, got " +
                               std::to_string(expected));
            const auto values = parameter_values(p, parameters);
            if (offsets.ndim() != 1 || offsets.size() < 1 || offsets.data()[0] != 0)
              throw InputError("offsets: expected a vector that starts with 0");
            std::vector<std::size_t> bounds;
            for (py::ssize_t s = 0; s < offsets.size(); ++s) {
              const std::int64_t o = offsets.data()[s];
              if (o < 0 || static_cast<std::size_t>(o) > size ||
                  (s > 0 && static_cast<std::size_t>(o) < bounds.back())) {
                throw InputError("offsets[" + std::to_string(s) + "] = " + std::to_string(o) +
                                 ": expected ascending values up to " + std::to_string(size));
              }
              bounds.push_back(static_cast<std::size_t>(o));
            }
            const std::size_t segments = bounds.size() - 1;
            py::array_t<double> sums({static_cast<py::ssize_t>(p.outputs()), static_cast<py::ssize_t>(segments)});
            double* target = sums.mutable_data();
            std::vector<const double*> rows(p.outputs());
            for (std::size_t k = 0; k < rows.size(); ++k)
              rows[k] = weights.data() + (weights.ndim() == 2 ? k * expected : 0);
            {
              const Interruptible interruptible;
              segment_sums(p, values.data(), pointers.data(), rows.data(), bounds.data(), segments, target, threads,
                           static_cast<jit::Backend>(backend));
            }
            emit_jit_warning();
            return sums;
          },
          py::arg("features"), py::arg("parameters"), py::arg("weights"), py::arg("offsets"), py::arg("threads") = 0,
          py::arg("backend") = -1);
}

}  // namespace fastsfes::bindings
