#include "bindings/bindings.hpp"
#include "core/base/isa.hpp"
#include "core/base/version.hpp"

PYBIND11_MODULE(_core, m) {
  namespace b = fastsfes::bindings;
  m.doc() = "The C++ core of fastsfes.";
  m.attr("__version__") = fastsfes::version();
  b::register_errors(m);
  b::register_operators(m);
  b::register_expression(m);
  b::register_family(m);
  b::register_fit(m);
  b::register_program(m);
  b::register_jit(m);
  b::register_quadrature(m);
  b::register_select(m);
  m.def(
      "build_info",
      [] {
        pybind11::dict info;
        info["version"] = fastsfes::version();
        info["compiler"] = fastsfes::compiler();
        info["flags"] = fastsfes::compile_flags();
        info["openmp"] = fastsfes::openmp_version();
        info["isa"] = fastsfes::isa_name(fastsfes::best_isa());
        info["vector_math"] = "fastsfes vmath.h";
        info["jit"] = fastsfes::bindings::jit_info();
        return info;
      },
      "How this core was built and which instruction set it uses.");
}
