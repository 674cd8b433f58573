// On the GPU this header is written at run time; the emulator's multiplies are in ptx/wgmma.h.
#pragma once
#include "ptx/wgmma.h"
