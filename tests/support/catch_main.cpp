#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_session.hpp>
int main(int argc, char** argv) { return Catch::Session().run(argc, argv); }
#else
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
#endif

#ifdef __SANITIZE_ADDRESS__
#include <dlfcn.h>
#include <stdlib.h>

// libnvrtc leaves behind what it allocated when it is closed, and LeakSanitizer's suppressions know
// a library only while it is open: one handle stays open.
[[maybe_unused]] static void* const kNvrtc = dlopen(getenv("FLASHJIT_LIBNVRTC"), RTLD_LAZY);
#endif
