// A TuningTarget whose candidates run in another process: an illegal access, a hang-up or a crash
// there costs one row, because the next candidate gets a new process. The two speak over a socket,
// one JSON object per line.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "posix_file.h"
#include "tuner.h"

namespace flashjit {

// A running worker; killed and awaited when it goes.
class WorkerProcess {
 public:
  WorkerProcess(pid_t pid, UniqueFd socket) : pid_(pid), socket_(std::move(socket)) {}
  ~WorkerProcess();
  WorkerProcess(WorkerProcess&&) noexcept;
  WorkerProcess& operator=(WorkerProcess&&) = delete;

  void send(const std::string& line);  // throws Error(kIo) when nobody reads
  std::string receive();  // a line; throws Error(kIo) at the end, or after a minute of silence
  std::string end();      // kills it if it lives: "exit code 1", "signal 11"

 private:
  pid_t pid_ = -1;
  bool silent_ = false;  // receive() has given up
  UniqueFd socket_;
  std::string buffer_;
};

// Starts `command` with its standard input and output connected. Throws Error(kIo).
WorkerProcess start_worker(const std::vector<std::string>& command);

class IsolatedTarget final : public TuningTarget {
 public:
  // `compile` runs in this process and puts the variant where a worker finds it; `start` makes a
  // worker that serves the same problem; `reference` is verified first in every worker.
  IsolatedTarget(std::function<std::string(const Tiling&)> compile,
                 std::function<WorkerProcess()> start,
                 const Tiling& reference);

  std::string compile(const Tiling& tiling) override { return compile_(tiling); }
  std::string verify(const Tiling& tiling) override;
  std::vector<Timing> time(std::span<const Tiling> tilings, int rounds) override;
  double sm_clock_mhz() const override { return sm_clock_mhz_; }

  int workers_started() const { return workers_started_; }

 private:
  std::string ask(const std::string& request);
  [[noreturn]] void refuse_answer();
  void require_worker();
  std::string verify_in_worker(const Tiling& tiling);
  std::vector<Timing> time_in_worker(std::span<const Tiling> tilings, int rounds);
  std::vector<Timing> time_one_by_one(std::span<const Tiling> tilings, int rounds);

  const std::function<std::string(const Tiling&)> compile_;
  const std::function<WorkerProcess()> start_;
  const Tiling reference_;
  std::optional<WorkerProcess> worker_;
  int workers_started_ = 0;
  double sm_clock_mhz_ = 0;
};

// Ends this process as soon as the other end of the socket is closed, whatever its other threads
// do: a kernel that hangs may keep them from ever reading that end. Returns at once.
void end_with_peer(int socket);

// The worker's side: answers requests until the socket ends, or until the target throws: then the
// device is lost. Returns the exit code.
int serve_target(TuningTarget& target, int socket);

}  // namespace flashjit
