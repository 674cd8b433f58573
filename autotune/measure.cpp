#include "autotune/measure.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>

#include "autotune/sm_clock.h"

namespace flashjit {
namespace {

using Clock = std::chrono::steady_clock;

std::string pci_bus_id(const Device& device) {
  const DriverLibrary& driver = device.driver();
  CUdevice handle = 0;
  std::array<char, 64> id{};
  driver.check(driver.device_get(&handle, device.ordinal()));
  driver.check(driver.device_get_pci_bus_id(id.data(), static_cast<int>(id.size()), handle));
  return id.data();
}

double ms_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double, std::milli>(end - begin).count();
}

double quantile(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const std::size_t below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

// One round of all calls as a graph, with events around each.
class Round {
 public:
  Round(const Device& device,
        const GpuStream& stream,
        std::span<const TimedCall> calls,
        const std::vector<std::size_t>& order,
        int set,
        const GpuBuffer& flush)
      : order_(order),
        begins_(make_events(device, order.size())),
        ends_(make_events(device, order.size())),
        graph_(device, stream, [&](CUstream capturing) {
          const DriverLibrary& driver = device.driver();
          for (std::size_t i = 0; i < order_.size(); ++i) {
            if (flush.bytes() > 0) {
              driver.check(driver.memset_d8_async(flush.address(), 0x5A, flush.bytes(), capturing));
            }
            begins_[i].record_in_graph(capturing);
            calls[order_[i]].enqueue(capturing, set);
            ends_[i].record_in_graph(capturing);
          }
        }) {}

  void launch(const GpuStream& stream) const { graph_.launch(stream); }

  void collect(std::vector<std::vector<double>>& samples) const {
    for (std::size_t i = 0; i < order_.size(); ++i)
      samples[order_[i]].push_back(ends_[i].us_since(begins_[i]));
  }

 private:
  static std::vector<GpuEvent> make_events(const Device& device, std::size_t count) {
    std::vector<GpuEvent> events;
    for (std::size_t i = 0; i < count; ++i) events.emplace_back(device);
    return events;
  }

  std::vector<std::size_t> order_;
  std::vector<GpuEvent> begins_, ends_;
  GpuGraph graph_;
};

// The calls that run once without an error; `measurements` receives the errors of the others.
std::vector<std::size_t> working_calls(const GpuStream& stream,
                                       std::span<const TimedCall> calls,
                                       std::vector<Measurement>& measurements) {
  std::vector<std::size_t> working;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    try {
      calls[i].enqueue(stream.get(), 0);
      stream.synchronize();
      working.push_back(i);
    } catch (const Error& error) {
      measurements[i].error = error.what();
    }
  }
  return working;
}

// As many graphs as rotations of the order, each with the next input set; they repeat. Enough that
// a call's place in the round evens out: a graph for each call would make the preparation
// quadratic. No more than there are rounds.
constexpr std::size_t kRotations = 8;

std::vector<std::unique_ptr<Round>> make_rounds(const Device& device,
                                                const GpuStream& stream,
                                                std::span<const TimedCall> calls,
                                                const std::vector<std::size_t>& working,
                                                int num_sets,
                                                int num_rounds,
                                                const GpuBuffer& flush) {
  const std::size_t sets = static_cast<std::size_t>(num_sets);
  const std::size_t count =
      std::max(std::min({working.size(), kRotations, static_cast<std::size_t>(num_rounds)}),
               std::max<std::size_t>(sets, 2));
  std::vector<std::unique_ptr<Round>> rounds;
  for (std::size_t r = 0; r < count; ++r) {
    std::vector<std::size_t> order = working;
    const std::size_t first = r * order.size() / count;
    std::rotate(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(first), order.end());
    const int set = static_cast<int>(r % sets);
    rounds.push_back(std::make_unique<Round>(device, stream, calls, order, set, flush));
  }
  return rounds;
}

// Runs rounds until the clocks have settled; returns the milliseconds of one round.
double warm_up(const std::vector<std::unique_ptr<Round>>& rounds,
               const GpuStream& stream,
               double warmup_ms) {
  const Clock::time_point begin = Clock::now();
  double elapsed = 0;
  int count = 0;
  do {
    rounds[static_cast<std::size_t>(count) % rounds.size()]->launch(stream);
    stream.synchronize();
    ++count;
    elapsed = ms_between(begin, Clock::now());
  } while (elapsed < warmup_ms || count < 2);
  return elapsed / count;
}

}  // namespace

std::string MeasurePolicy::text() const {
  return fmt::format(
      "CUDA events in a replayed graph; {} rounds ({} at least, {:g} s at most), calls interleaved "
      "in rotating "
      "order; inputs random and rotated; L2 {}; {:g} ms warm-up; median and interquartile range",
      rounds,
      min_rounds,
      max_seconds,
      cold_l2 ? "flushed by a write of twice its size before each run" : "warm",
      warmup_ms);
}

double Comparison::paired_ratio(std::size_t a, std::size_t b) const {
  const std::vector<double>& left = measurements.at(a).samples_us;
  const std::vector<double>& right = measurements.at(b).samples_us;
  std::vector<double> ratios;
  for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i)
    ratios.push_back(left[i] / right[i]);
  if (ratios.empty()) return 0;
  std::sort(ratios.begin(), ratios.end());
  return quantile(ratios, 0.5);
}

Measurement summarize(std::string name, std::vector<double> samples_us) {
  Measurement result;
  result.name = std::move(name);
  result.samples_us = std::move(samples_us);
  if (result.samples_us.empty()) return result;
  std::vector<double> sorted = result.samples_us;
  std::sort(sorted.begin(), sorted.end());
  result.median_us = quantile(sorted, 0.5);
  result.spread_us = quantile(sorted, 0.75) - quantile(sorted, 0.25);
  result.min_us = sorted.front();
  return result;
}

Comparison compare_device_times(const Device& device,
                                std::span<const TimedCall> calls,
                                int num_sets,
                                const MeasurePolicy& policy) {
  Comparison result{.measurements = std::vector<Measurement>(calls.size()), .policy = policy};
  for (std::size_t i = 0; i < calls.size(); ++i) result.measurements[i].name = calls[i].name;
  const GpuStream stream(device);
  const std::vector<std::size_t> working = working_calls(stream, calls, result.measurements);
  if (working.empty()) return result;
  const GpuBuffer flush(device, policy.cold_l2 ? 2 * device.info().l2_bytes : 0);
  const auto rounds = make_rounds(device, stream, calls, working, num_sets, policy.rounds, flush);
  const double round_ms = warm_up(rounds, stream, policy.warmup_ms);
  const int affordable = static_cast<int>(1000 * policy.max_seconds / std::max(round_ms, 1e-3));
  const int count = std::min(policy.rounds, std::max(policy.min_rounds, affordable));
  SmClock clock(pci_bus_id(device));
  std::vector<std::vector<double>> samples(calls.size());
  for (int r = 0; r < count; ++r) {
    const Round& round = *rounds[static_cast<std::size_t>(r) % rounds.size()];
    round.launch(stream);
    clock.sample();
    stream.synchronize();
    round.collect(samples);
  }
  for (const std::size_t i : working)
    result.measurements[i] = summarize(calls[i].name, std::move(samples[i]));
  result.sm_clock_mhz = clock.median_mhz();
  return result;
}

std::vector<Measurement> compare_host_times(std::span<const HostCall> calls,
                                            const std::function<void()>& drain) {
  constexpr int kBatches = 101,
                kCallsPerBatch = 64;  // a stream holds about 1,000 launches before it blocks
  std::vector<std::vector<double>> samples(calls.size());
  for (int batch = 0; batch <= kBatches; ++batch) {
    for (std::size_t i = 0; i < calls.size(); ++i) {
      const Clock::time_point begin = Clock::now();
      for (int n = 0; n < kCallsPerBatch; ++n) calls[i].call();
      const Clock::time_point end = Clock::now();
      drain();
      if (batch > 0)
        samples[i].push_back(1000 * ms_between(begin, end) / kCallsPerBatch);  // the first warms up
    }
  }
  std::vector<Measurement> measurements;
  for (std::size_t i = 0; i < calls.size(); ++i)
    measurements.push_back(summarize(calls[i].name, std::move(samples[i])));
  return measurements;
}

Measurement measure_wall_time(const std::string& name,
                              const std::function<void()>& action,
                              int rounds) {
  action();
  std::vector<double> samples;
  for (int r = 0; r < rounds; ++r) samples.push_back(1000 * wall_ms(action));
  return summarize(name, std::move(samples));
}

double wall_ms(const std::function<void()>& action) {
  const Clock::time_point begin = Clock::now();
  action();
  return ms_between(begin, Clock::now());
}

}  // namespace flashjit
