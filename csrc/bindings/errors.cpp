#include "bindings/bindings.hpp"
#include "core/base/error.hpp"

namespace fastsfes::bindings {

void register_errors(py::module_&) {
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const Stopped&) {
      if (PyErr_Occurred() == nullptr) PyErr_SetNone(PyExc_KeyboardInterrupt);
    } catch (const InputError& error) {
      py::set_error(py::module_::import("fastsfes.common.errors").attr("InputError"), error.what());
    }
  });
}

}  // namespace fastsfes::bindings
