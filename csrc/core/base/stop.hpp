#pragma once

#include <atomic>
#include <chrono>
#include <thread>

namespace fastsfes {

/// Leaves a long piece of work because somebody asked for its end. Not an std::exception: what handles faults of the
/// work must not swallow it.
struct Stopped {};

/// While it lives, the work of this thread, and of the teams that it starts, can be stopped: `asked` is called every
/// 50 ms or so, in the thread that made the watch alone, and says whether to stop.
class StopWatch {
 public:
  explicit StopWatch(bool (*asked)());
  ~StopWatch();
  StopWatch(const StopWatch&) = delete;
  StopWatch& operator=(const StopWatch&) = delete;

  /// The watch of the calling thread's work, or null.
  [[nodiscard]] static StopWatch* current() noexcept;

  /// Whether the calling thread made it.
  [[nodiscard]] bool is_owner() const noexcept { return std::this_thread::get_id() == owner_; }

  /// Throws Stopped when the work is to end.
  void check();

 private:
  bool (*asked_)();
  std::thread::id owner_ = std::this_thread::get_id();
  std::chrono::steady_clock::time_point next_;
  std::atomic<bool> stopped_{false};
  StopWatch* outer_;
};

/// Makes a watch that of the calling thread's work: what a member of a team does first.
class Watched {
 public:
  explicit Watched(StopWatch* watch) noexcept;
  ~Watched();
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

 private:
  StopWatch* outer_;
};

/// Called by every loop that may run for long, once per turn (some ten nanoseconds): throws Stopped when it is to end.
inline void check_stop() {
  if (StopWatch* watch = StopWatch::current()) watch->check();
}

}  // namespace fastsfes
