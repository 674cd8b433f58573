// Placeholder of the generator of "ptx/wgmma_ops.h": no variant uses wgmma before the sm90 family
// is there.
#include "variant_source.h"

namespace flashjit {

std::string wgmma_ops_header(const KernelConfig&) { return ""; }

}  // namespace flashjit
