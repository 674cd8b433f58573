#include "launch.h"

#include <atomic>
#include <mutex>
#include <thread>

#include "cluster.h"

namespace flashjit::emu {

void Stats::add(const Stats& other) {
  switches += other.switches;
  collectives += other.collectives;
  mma += other.mma;
  wgmma += other.wgmma;
  tma += other.tma;
  cp_async += other.cp_async;
  bank_conflicts += other.bank_conflicts;
  for (const auto& [place, n] : other.bank_conflicts_at) bank_conflicts_at[place] += n;
}

Stats launch(Dim3 grid,
             Dim3 block,
             std::size_t smem_bytes,
             const std::function<void()>& kernel,
             const Options& options,
             unsigned cluster_size) {
  const unsigned total = grid.x * grid.y * grid.z;
  std::atomic<unsigned> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  Stats sum;
  GlobalStores stores;
  const auto work = [&] {
    try {
      Cluster cluster(grid, block, cluster_size, static_cast<u32>(smem_bytes), options, stores);
      for (unsigned i; (i = next.fetch_add(cluster_size)) < total;) {
        cluster.run({i % grid.x, i / grid.x % grid.y, i / grid.x / grid.y}, kernel);
      }
      std::lock_guard lock(mutex);
      sum.add(cluster.stats());
    } catch (...) {
      std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      next = total;
    }
  };
  std::vector<std::thread> workers;
  for (int i = 1; i < options.workers; ++i) workers.emplace_back(work);
  work();
  for (std::thread& worker : workers) worker.join();
  if (failure) std::rethrow_exception(failure);
  return sum;
}

}  // namespace flashjit::emu
