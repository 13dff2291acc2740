#pragma once

#include "core/base/stop.hpp"

namespace fastsfes::bindings {

/// Lets signals end work of the core on formulas, as Interruptible does. The GIL is kept: the work is mostly shorter
/// than a change of threads, and hostile input makes it long.
class Polling {
 public:
  Polling();

 private:
  StopWatch watch_;
};

}  // namespace fastsfes::bindings
