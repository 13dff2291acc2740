#include "bindings/bindings.hpp"
#include "bindings/polling.hpp"

namespace fastsfes::bindings {
namespace {

/// Lets Python handle the signals that came, which it does in its main thread only; true when a handler raised. The
/// exception waits in this thread's state until the work is left.
bool handler_raised() {
  const py::gil_scoped_acquire gil;
  return PyErr_CheckSignals() != 0;
}

}  // namespace

Interruptible::Interruptible() : watch_(&handler_raised) {}

Polling::Polling() : watch_(&handler_raised) {}

}  // namespace fastsfes::bindings
