#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "core/base/stop.hpp"
#include "core/expression/graph.hpp"

namespace fastsfes::bindings {

namespace py = pybind11;

/// Contiguous doubles; other dtypes and layouts are converted once at the border.
using Array = py::array_t<double, py::array::c_style | py::array::forcecast>;

/// Releases the GIL for work in the core, which ends when a signal's Python handler raises, as that of Ctrl-C does: the
/// handlers run every 50 ms or so, and their exception leaves the work (see core/base/stop.hpp, errors.cpp).
class Interruptible {
 public:
  Interruptible();

 private:
  py::gil_scoped_release release_;
  StopWatch watch_;
};

void register_errors(py::module_& m);
void register_operators(py::module_& m);
void register_expression(py::module_& m);
void register_family(py::module_& m);
void register_fit(py::module_& m);
void register_program(py::module_& m);
void register_jit(py::module_& m);

/// The nodes of a graph in order: (operator name, indices of the arguments, number or name of a leaf).
py::list node_rows(const Graph& graph);

/// Python's warning for what the kernel cache has to say once (no compiler, an unusable folder); call with the GIL.
void emit_jit_warning();

/// Compiler, flags and folder of the compiled kernels, for build_info().
py::dict jit_info();
void register_quadrature(py::module_& m);
void register_select(py::module_& m);

}  // namespace fastsfes::bindings
