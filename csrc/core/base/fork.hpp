#pragma once

#include <mutex>

namespace fastsfes {

/// Whether this process is a fork of one that had loaded the core. The threads of its parent are not there, and waiting
/// for one would last for ever: everything runs in the calling thread.
[[nodiscard]] bool is_forked_child() noexcept;

/// Holds the mutex, which has to live for ever and to be held for moments only, while the process forks: a child finds
/// it free and what it guards whole.
void hold_at_fork(std::mutex& mutex);

/// Calls the function in every forked child, before anything else of it runs.
void call_in_forked_child(void (*function)());

}  // namespace fastsfes
