#pragma once

#include <array>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace fastsfes::fit {

/// A thread-safe store of immutable values that forgets the least recently used ones when they outgrow a budget.
///
/// Values are pure functions of their key, so what is found never differs from what would be made anew: results do not
/// depend on the cache's state, nor therefore on the number of threads.
template <class Value>
class Cache {
 public:
  explicit Cache(std::size_t bytes) : budget_(bytes / kShards) {}

  template <class Make>
  std::shared_ptr<const Value> get(const std::string& key, Make&& make) {
    Shard& shard = shards_[std::hash<std::string>{}(key) % kShards];
    // Never waited for: another thread may hold the lock, or have held it when this process was forked. Then the value
    // is made anew, which costs time alone.
    if (const std::unique_lock lock(shard.mutex, std::try_to_lock); lock) {
      const auto it = shard.index.find(key);
      if (it != shard.index.end()) {
        shard.order.splice(shard.order.begin(), shard.order, it->second);
        return it->second->value;
      }
    }
    std::shared_ptr<const Value> value = make();
    const std::size_t cost = value->bytes() + 2 * key.size() + 128;
    const std::unique_lock lock(shard.mutex, std::try_to_lock);
    if (!lock || cost > budget_ || shard.index.contains(key)) return value;
    shard.order.push_front({key, value, cost});
    shard.index.emplace(key, shard.order.begin());
    shard.cost += cost;
    while (shard.cost > budget_) {
      shard.cost -= shard.order.back().cost;
      shard.index.erase(shard.order.back().key);
      shard.order.pop_back();
    }
    return value;
  }

 private:
  static constexpr std::size_t kShards = 16;
  struct Entry {
    std::string key;
    std::shared_ptr<const Value> value;
    std::size_t cost;
  };
  struct Shard {
    std::mutex mutex;
    std::list<Entry> order;
    std::unordered_map<std::string, typename std::list<Entry>::iterator> index;
    std::size_t cost = 0;
  };
  std::array<Shard, kShards> shards_;
  std::size_t budget_;
};

}  // namespace fastsfes::fit
