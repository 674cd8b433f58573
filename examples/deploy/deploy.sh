#!/usr/bin/env bash
# From a workload file to a service that runs where nothing can be compiled: the whole way in one script, on one
# machine. In real life the three steps stand on three machines.
#
#   deploy.sh PREFIX SERVICE DIRECTORY ARCHS [--ready-only]
#
# PREFIX: where flashjit is installed; SERVICE: the program of this folder; DIRECTORY: a new one to work in;
# ARCHS: of the GPUs in production, as sm_80,sm_90a.
set -euo pipefail
prefix=$1 service=$2 work=$3 archs=$4 mode=${5:-}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir "$work"

echo "== 1. The build host: NVRTC and no GPU"
FLASHJIT_CACHE_DIR=$work/build_cache "$prefix/bin/flashjit" export "$work/bundle" \
  --workload "$here/workload.jsonl" --arch "$archs" --provenance "examples/deploy"
"$prefix/bin/flashjit" verify "$work/bundle"
digest=$(sha256sum <"$work/bundle/manifest.json" | cut -c1-64)

echo "== 2. Ship: the program, its library, the bundle, the workload; nothing of it is written again"
image=$work/image
mkdir "$image"
cp "$service" "$image/service"
cp -P "$prefix"/lib*/libflashjit.so* "$prefix"/lib/*/libflashjit.so* "$image" 2>/dev/null || true
cp "$here/workload.jsonl" "$image"
mv "$work/bundle" "$image/bundle"   # a bundle may stand anywhere
chmod -R a-w "$image"

echo "== 3. Production: a driver, no NVRTC, no home directory"
run() {
  env -i LD_LIBRARY_PATH="$image" FLASHJIT_LIBNVRTC=/nonexistent/libnvrtc.so \
    ${FLASHJIT_LIBCUDA:+FLASHJIT_LIBCUDA="$FLASHJIT_LIBCUDA"} \
    ${CUDA_VISIBLE_DEVICES:+CUDA_VISIBLE_DEVICES="$CUDA_VISIBLE_DEVICES"} "$image/service" "$@"
}
run "$image/bundle" "$digest" "$image/workload.jsonl" $mode

echo "== And what it refuses: another bundle than the one it was shipped with"
if run "$image/bundle" "${digest//[0-7]/8}" "$image/workload.jsonl" $mode; then
  echo "the service started with a bundle that is not its own" >&2
  exit 1
fi

echo "== And a problem that nobody built"
chmod u+w "$image"
echo '{"dtype": "bf16", "head_dim_qk": 72, "num_heads_q": 4, "seqlen_q": 64}' >"$image/other.jsonl"
if run "$image/bundle" "$digest" "$image/other.jsonl" $mode; then
  echo "the service started without the variant that it needs" >&2
  exit 1
fi
echo "deployed: $digest"
