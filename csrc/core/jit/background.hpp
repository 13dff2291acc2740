#pragma once

#include "core/jit/tiers.hpp"

namespace fastsfes::jit {

/// Compiles the program in a thread of the core's own, after those asked for before, and attaches the kernel; the
/// interpreter serves meanwhile. Asking again changes nothing. False where there is no such thread: in forked children.
[[nodiscard]] bool compile_in_background(const Program& program, Form form);

/// Waits until everything asked for so far is compiled, or has failed.
void wait_for_background();

}  // namespace fastsfes::jit
