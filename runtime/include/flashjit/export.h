// Marks what libflashjit exports; everything else is hidden.
#pragma once

#define FLASHJIT_API __attribute__((visibility("default")))
