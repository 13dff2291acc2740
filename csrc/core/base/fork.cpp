#include "core/base/fork.hpp"

#include <pthread.h>

#include <atomic>
#include <vector>

namespace fastsfes {
namespace {

std::atomic<bool> forked{false};

struct Registry {
  std::mutex mutex;
  std::vector<std::mutex*> held;
  std::vector<void (*)()> called;
};

void prepare();
void in_parent();
void in_child();

Registry& registry() {
  static Registry* const instance = [] {
    pthread_atfork(prepare, in_parent, in_child);
    return new Registry;  // never destroyed: processes fork at their end too
  }();
  return *instance;
}

void prepare() {
  Registry& r = registry();
  r.mutex.lock();
  for (std::mutex* mutex : r.held) mutex->lock();
}

void in_parent() {
  Registry& r = registry();
  for (std::mutex* mutex : r.held) mutex->unlock();
  r.mutex.unlock();
}

void in_child() {
  forked = true;
  in_parent();
  for (void (*function)() : registry().called) function();
}

[[maybe_unused]] const Registry& registered = registry();

}  // namespace

bool is_forked_child() noexcept { return forked.load(std::memory_order_relaxed); }

void hold_at_fork(std::mutex& mutex) {
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  r.held.push_back(&mutex);
}

void call_in_forked_child(void (*function)()) {
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  r.called.push_back(function);
}

}  // namespace fastsfes
