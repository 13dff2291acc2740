#include "core/base/stop.hpp"

#include <utility>

namespace fastsfes {
namespace {

constexpr std::chrono::milliseconds kInterval{50};

thread_local StopWatch* watch_of_thread = nullptr;

}  // namespace

StopWatch* StopWatch::current() noexcept { return watch_of_thread; }

StopWatch::StopWatch(bool (*asked)())
    : asked_(asked),
      next_(std::chrono::steady_clock::now() + kInterval),
      outer_(std::exchange(watch_of_thread, this)) {}

StopWatch::~StopWatch() { watch_of_thread = outer_; }

void StopWatch::check() {
  if (stopped_.load(std::memory_order_relaxed)) throw Stopped();
  if (!is_owner()) return;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + kInterval;
  if (!asked_()) return;
  stopped_.store(true, std::memory_order_relaxed);
  throw Stopped();
}

Watched::Watched(StopWatch* watch) noexcept : outer_(std::exchange(watch_of_thread, watch)) {}

Watched::~Watched() { watch_of_thread = outer_; }

}  // namespace fastsfes
