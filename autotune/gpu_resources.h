// What measuring needs of a GPU beside the library: its context, memory, streams, events and
// graphs, behind RAII. Opened with dlopen like the library's own driver table, of which it is
// independent: a program that measures the library must not reach into it.
#pragma once

#include <cuda.h>

#include <cstddef>
#include <utility>

#include "device.h"

namespace flashjit {

// Device memory. Move-only.
class GpuBuffer {
 public:
  GpuBuffer() = default;
  GpuBuffer(const Device& device, std::size_t bytes);
  ~GpuBuffer();
  GpuBuffer(GpuBuffer&& other) noexcept { *this = std::move(other); }
  GpuBuffer& operator=(GpuBuffer&& other) noexcept;

  CUdeviceptr address() const { return address_; }
  void* data() const { return reinterpret_cast<void*>(address_); }
  std::size_t bytes() const { return bytes_; }

  // Synchronous copies of the whole buffer.
  void upload(const void* host);
  void download(void* host) const;
  // Of `size` bytes from `offset`.
  void download(void* host, std::size_t offset, std::size_t size) const;
  // Of the first `row` bytes of every `pitch`, `count` times, densely.
  void download_rows(void* host, std::size_t row, std::size_t pitch, std::size_t count) const;
  void fill(unsigned char byte);

 private:
  const Device* device_ = nullptr;
  CUdeviceptr address_ = 0;
  std::size_t bytes_ = 0;
};

class GpuStream {
 public:
  explicit GpuStream(const Device& device);
  ~GpuStream();
  GpuStream(const GpuStream&) = delete;
  GpuStream& operator=(const GpuStream&) = delete;

  CUstream get() const { return stream_; }
  void synchronize() const;

 private:
  const Device& device_;
  CUstream stream_ = nullptr;
};

class GpuEvent {
 public:
  explicit GpuEvent(const Device& device);
  ~GpuEvent();
  GpuEvent(GpuEvent&& other) noexcept
      : device_(other.device_), event_(std::exchange(other.event_, nullptr)) {}
  GpuEvent& operator=(GpuEvent&&) = delete;

  // As a node of the graph that `stream` is capturing.
  void record_in_graph(CUstream stream) const;
  // Microseconds from `begin` to this; both have happened.
  double us_since(const GpuEvent& begin) const;

 private:
  const Device& device_;
  CUevent event_ = nullptr;
};

// What `enqueue` puts on a stream, captured once and replayed without host work between its parts.
class GpuGraph {
 public:
  // Throws what `enqueue(CUstream)` throws; the stream is usable afterwards.
  template <typename Enqueue>
  GpuGraph(const Device& device, const GpuStream& stream, const Enqueue& enqueue)
      : device_(device) {
    begin(stream);
    try {
      enqueue(stream.get());
    } catch (...) {
      abandon(stream);
      throw;
    }
    end(stream);
  }
  ~GpuGraph();
  GpuGraph(const GpuGraph&) = delete;
  GpuGraph& operator=(const GpuGraph&) = delete;

  void launch(const GpuStream& stream) const;
  CUgraph get() const { return graph_; }

 private:
  void begin(const GpuStream& stream);
  void end(const GpuStream& stream);
  void abandon(const GpuStream& stream) noexcept;

  const Device& device_;
  CUgraph graph_ = nullptr;
  CUgraphExec exec_ = nullptr;
};

}  // namespace flashjit
