#include "autotune/gpu_resources.h"

namespace flashjit {

GpuBuffer::GpuBuffer(const Device& device, std::size_t bytes) : device_(&device), bytes_(bytes) {
  if (bytes > 0) device.driver().check(device.driver().mem_alloc(&address_, bytes));
}

GpuBuffer::~GpuBuffer() {
  if (address_ != 0) device_->driver().mem_free(address_);
}

GpuBuffer& GpuBuffer::operator=(GpuBuffer&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(address_, other.address_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

void GpuBuffer::upload(const void* host) {
  const DriverLibrary& driver = device_->driver();
  driver.check(driver.memcpy_htod_async(address_, host, bytes_, nullptr));
  driver.check(driver.stream_synchronize(nullptr));
}

void GpuBuffer::download(void* host) const { download(host, 0, bytes_); }
void GpuBuffer::download(void* host, std::size_t offset, std::size_t size) const {
  const DriverLibrary& driver = device_->driver();
  driver.check(driver.memcpy_dtoh_async(host, address_ + offset, size, nullptr));
  driver.check(driver.stream_synchronize(nullptr));
}

void GpuBuffer::download_rows(void* host,
                              std::size_t row,
                              std::size_t pitch,
                              std::size_t count) const {
  if (row == 0 || count == 0) return;
  CUDA_MEMCPY2D copy = {};
  copy.srcMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.srcDevice = address_;
  copy.srcPitch = pitch;
  copy.dstMemoryType = CU_MEMORYTYPE_HOST;
  copy.dstHost = host;
  copy.dstPitch = row;
  copy.WidthInBytes = row;
  copy.Height = count;
  const DriverLibrary& driver = device_->driver();
  driver.check(driver.memcpy_2d_async(&copy, nullptr));
  driver.check(driver.stream_synchronize(nullptr));
}

void GpuBuffer::fill(unsigned char byte) {
  const DriverLibrary& driver = device_->driver();
  driver.check(driver.memset_d8_async(address_, byte, bytes_, nullptr));
  driver.check(driver.stream_synchronize(nullptr));
}

GpuStream::GpuStream(const Device& device) : device_(device) {
  device_.driver().check(device_.driver().stream_create(&stream_, CU_STREAM_NON_BLOCKING));
}

GpuStream::~GpuStream() { device_.driver().stream_destroy(stream_); }

void GpuStream::synchronize() const {
  device_.driver().check(device_.driver().stream_synchronize(stream_));
}

GpuEvent::GpuEvent(const Device& device) : device_(device) {
  device_.driver().check(device_.driver().event_create(&event_, CU_EVENT_DEFAULT));
}

GpuEvent::~GpuEvent() {
  if (event_ != nullptr) device_.driver().event_destroy(event_);
}

void GpuEvent::record_in_graph(CUstream stream) const {
  device_.driver().check(
      device_.driver().event_record_with_flags(event_, stream, CU_EVENT_RECORD_EXTERNAL));
}

double GpuEvent::us_since(const GpuEvent& begin) const {
  float milliseconds = 0;
  device_.driver().check(device_.driver().event_elapsed_time(&milliseconds, begin.event_, event_));
  return 1000.0 * milliseconds;
}

GpuGraph::~GpuGraph() {
  if (exec_ != nullptr) device_.driver().graph_exec_destroy(exec_);
  if (graph_ != nullptr) device_.driver().graph_destroy(graph_);
}

void GpuGraph::launch(const GpuStream& stream) const {
  device_.driver().check(device_.driver().graph_launch(exec_, stream.get()));
}

void GpuGraph::begin(const GpuStream& stream) {
  device_.driver().check(
      device_.driver().stream_begin_capture(stream.get(), CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
}

void GpuGraph::end(const GpuStream& stream) {
  device_.driver().check(device_.driver().stream_end_capture(stream.get(), &graph_));
  const CUresult result = device_.driver().graph_instantiate(&exec_, graph_, 0);
  if (result != CUDA_SUCCESS) {
    device_.driver().graph_destroy(graph_);
    device_.driver().check(result);
  }
}

void GpuGraph::abandon(const GpuStream& stream) noexcept {
  CUgraph unfinished = nullptr;
  device_.driver().stream_end_capture(stream.get(), &unfinished);
  if (unfinished != nullptr) device_.driver().graph_destroy(unfinished);
}

}  // namespace flashjit
