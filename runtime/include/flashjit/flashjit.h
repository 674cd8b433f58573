// Everything a C++ program needs.
#pragma once

#include "flashjit/error.h"
#include "flashjit/runtime.h"
#include "flashjit/tensor_view.h"
