#include <pybind11/pybind11.h>

#include "core/version.hpp"

PYBIND11_MODULE(_core, m) {
  m.doc() = "The C++ core of fastsfes.";
  m.attr("__version__") = fastsfes::version();
}
