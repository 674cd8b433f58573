#include "preload.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <mutex>
#include <thread>

#include "machine_limits.h"

namespace flashjit {
namespace {

using Clock = std::chrono::steady_clock;

class Preload {
 public:
  Preload(std::vector<PreloadedVariant> variants,
          const PreloadOptions& options,
          const std::function<VariantInfo(const PreloadedVariant&)>& prepare)
      : variants_(std::move(variants)),
        tried_(variants_.size()),
        options_(options),
        prepare_(prepare) {
    progress_.total = variants_.size();
  }

  PreloadResult run() {
    const int threads = static_cast<int>(std::min<std::size_t>(
        static_cast<unsigned>(parallel_compiles(read_machine_limits(), options_.threads)),
        variants_.size()));
    tell();
    std::vector<std::jthread> workers;
    for (int i = 0; i < threads; ++i) workers.emplace_back([this] { work(); });
    workers.clear();  // joins
    if (failure_) std::rethrow_exception(failure_);
    PreloadResult result;
    result.cancelled = cancelled_ && next_ < variants_.size();
    for (std::size_t i = 0; i < variants_.size(); ++i) {
      if (tried_[i]) result.variants.push_back(std::move(variants_[i]));
    }
    return result;
  }

 private:
  void work() {
    for (std::unique_lock lock(mutex_); !cancelled_ && next_ < variants_.size();) {
      const std::size_t mine = next_++;
      PreloadedVariant& variant = variants_[mine];
      tried_[mine] = true;
      lock.unlock();
      prepare(variant);
      lock.lock();
      ++progress_.done;
      progress_.failed += variant.error.empty() ? 0 : 1;
      progress_.compiled +=
          variant.error.empty() && variant.info.origin == VariantOrigin::kCompiled ? 1 : 0;
      progress_.variant = variant.info.name;
      tell();
    }
  }

  void prepare(PreloadedVariant& variant) const {
    if (!variant.error.empty()) return;  // nothing could be selected
    try {
      variant.info = prepare_(variant);
    } catch (const Error& error) {
      variant.error = error.what();
      variant.error_code = error.code();
    } catch (const std::exception& error) {
      variant.error = error.what();
      variant.error_code = ErrorCode::kInternal;
    }
  }

  // Under the lock, or before the threads start.
  void tell() {
    if (!options_.on_progress || failure_) return;
    const std::chrono::duration<double> elapsed = Clock::now() - start_;
    if (progress_.done > 0) {
      progress_.seconds_left = elapsed.count() / static_cast<double>(progress_.done) *
                               static_cast<double>(progress_.total - progress_.done);
    }
    try {
      cancelled_ = !options_.on_progress(progress_) || cancelled_;
    } catch (...) {
      failure_ = std::current_exception();
      cancelled_ = true;
    }
  }

  std::vector<PreloadedVariant> variants_;
  std::vector<char> tried_;  // not vector<bool>: threads write neighbours
  const PreloadOptions& options_;
  const std::function<VariantInfo(const PreloadedVariant&)>& prepare_;
  const Clock::time_point start_ = Clock::now();
  std::mutex mutex_;  // of what follows
  std::size_t next_ = 0;
  bool cancelled_ = false;
  PreloadProgress progress_;
  std::exception_ptr failure_;
};

}  // namespace

PreloadResult preload_variants(std::vector<PreloadedVariant> variants,
                               const PreloadOptions& options,
                               const std::function<VariantInfo(const PreloadedVariant&)>& prepare) {
  return Preload(std::move(variants), options, prepare).run();
}

}  // namespace flashjit
