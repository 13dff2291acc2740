#include "core/jit/background.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "core/base/fork.hpp"
#include "core/base/stop.hpp"

namespace fastsfes::jit {
namespace {

class Worker {
 public:
  /// Never destroyed: the thread may outlive everything else.
  static Worker& instance() {
    static Worker* const worker = new Worker;
    return *worker;
  }

  void ask(const Program& program, Form form) {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    queue_.emplace_back(program, form);
    if (thread_ == nullptr) {
      thread_ = new std::thread([this] { run(); });  // never destroyed: a child has no such thread to end
      std::atexit([] { instance().stop(); });
    }
    changed_.notify_all();
  }

  void wait() {
    std::unique_lock lock(mutex_);
    while (!queue_.empty() || busy_) {
      changed_.wait_for(lock, std::chrono::milliseconds(20));
      check_stop();
    }
  }

 private:
  Worker() {
    hold_at_fork(mutex_);
    // In a child there is no thread: what it was to do is forgotten, and nothing is asked for any more.
    call_in_forked_child([] {
      Worker& worker = instance();
      worker.thread_ = nullptr;
      worker.queue_.clear();
      worker.busy_ = false;
      worker.stopping_ = true;
    });
  }

  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      const auto [program, form] = std::move(queue_.front());
      queue_.pop_front();
      busy_ = true;
      lock.unlock();
      try {
        const Program* const one[] = {&program};
        compile_all(one, form);
      } catch (const std::exception&) {
        // The interpreter goes on; what is wrong with the surroundings is said where they are asked for in the open.
      }
      lock.lock();
      busy_ = false;
      changed_.notify_all();
    }
  }

  /// At the end of the process: a compiler that runs is ended.
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      queue_.clear();
    }
    cancel_compiling();
    changed_.notify_all();
    if (thread_ != nullptr) thread_->join();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<Program, Form>> queue_;
  bool busy_ = false, stopping_ = false;
  std::thread* thread_ = nullptr;
};

}  // namespace

bool compile_in_background(const Program& program, Form form) {
  if (is_forked_child()) return false;
  if (program.slot(form).requested.exchange(true)) return true;
  Worker::instance().ask(program, form);
  return true;
}

void wait_for_background() { Worker::instance().wait(); }

}  // namespace fastsfes::jit
