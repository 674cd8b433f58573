// Entry points that have to be there for DriverLibrary to open the fake, and that nothing under
// test calls. Without cuda.h, so that they need no parameters.
extern "C" {

int cuCtxSynchronize() { return 1; }
int cuDeviceGetPCIBusId() { return 1; }
int cuEventCreate() { return 1; }
int cuEventDestroy_v2() { return 1; }
int cuEventElapsedTime() { return 1; }
int cuEventRecord() { return 1; }
int cuEventRecordWithFlags() { return 1; }
int cuEventSynchronize() { return 1; }
int cuGraphDestroy() { return 1; }
int cuGraphExecDestroy() { return 1; }
int cuGraphGetNodes() { return 1; }
int cuGraphInstantiateWithFlags() { return 1; }
int cuGraphKernelNodeGetParams_v2() { return 1; }
int cuGraphLaunch() { return 1; }
int cuGraphNodeGetType() { return 1; }
int cuOccupancyMaxActiveBlocksPerMultiprocessor() { return 1; }
int cuStreamBeginCapture_v2() { return 1; }
int cuStreamCreate() { return 1; }
int cuStreamDestroy_v2() { return 1; }
int cuStreamEndCapture() { return 1; }

}  // extern "C"
