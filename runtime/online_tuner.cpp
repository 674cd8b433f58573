#include "online_tuner.h"

#include <mutex>

namespace flashjit {
namespace {

std::mutex& tuner_mutex() {
  static std::mutex mutex;
  return mutex;
}

// Function-local, because autotune/ registers during static initialisation.
OnlineTuner& registered() {
  static OnlineTuner tuner;
  return tuner;
}

}  // namespace

void register_online_tuner(OnlineTuner tuner) {
  const std::lock_guard lock(tuner_mutex());
  registered() = std::move(tuner);
}

OnlineTuner online_tuner() {
  const std::lock_guard lock(tuner_mutex());
  return registered();
}

}  // namespace flashjit
