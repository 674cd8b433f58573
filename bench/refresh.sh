#!/usr/bin/env bash
# Measures all that bench/results and autotune/records hold of the GPU at hand, in 12 minutes with 16 cores:
#
#   bench/refresh.sh NAME [FOLDER]     e.g. h200: NAME.json, NAME_*.json and records/NAME.json
#
# FOLDER: where the files go; default: where they belong. Each step is independent of the failure of others, except that
# what is measured with tuning records needs the first tuning. A step can be run alone: STEPS="ladder ncu" bench/refresh.sh …
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ $# == 1 || $# == 2 ]] || { sed -n '2,8s/^# \?//p' "$0" >&2; exit 2; }
name=$1
results=${2:-bench/results}
records=${2:+$2/records}
records=${records:-autotune/records}
program=${FLASHJIT_PROGRAM:-build/release/cli/flashjit}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$results" "$records"
export FLASHJIT_CACHE_DIR=$work/cache

# Alone on an idle host: it times a compiler.
compile() { "$program" bench --compile --out "$results/${name}_compile.json"; }
# --out: what the library ships of this GPU or another is no start for the search.
tuning() {
  "$program" tune --grid --out "$work/first" --json >"$work/tuning.json" &&
    mv "$work/tuning.json" "$results/${name}_tuning.json" &&
    "$program" tune --export "$records/$name.json" --out "$work/first" &&
    mkdir -p -m 700 "$FLASHJIT_CACHE_DIR" && cp -r "$work/first" "$FLASHJIT_CACHE_DIR/tuning"
}
# With the records in the cache: `auto` takes them, forced families do not.
grid() { python3 bench/compare_torch.py --family sm80,sm90,auto --out "$results/$name.json"; }
extra() { python3 bench/compare_torch.py --family sm90 --extra --out "$results/$name.json"; }
tuned() { "$program" bench --tuned-grid --out "$results/${name}_tuned.json"; }
ladder() { "$program" bench --ladder --seqlen 4096 --out "$results/${name}_ladder.json"; }
ncu() { python3 bench/ncu_sm90.py --program "$program" --out "$results/${name}_ncu.json"; }
# A second tuning that knows nothing of the first, then the winners of both in pairs.
agreement() {
  FLASHJIT_CACHE_DIR=$work/other_cache "$program" tune --grid --out "$work/second" --json >/dev/null &&
    "$program" tune --compare "$work/first" "$work/second" --json >"$work/agreement.json" &&
    mv "$work/agreement.json" "$results/${name}_tuning_agreement.json"
}
preload() { "$program" bench-preload --out "$results/${name}_preload.json"; }
host() {
  "$program" bench --host --json >"$work/host.json" && mv "$work/host.json" "$results/${name}_host.json"
}
start() { "$program" bench-start --out "$results/${name}_start.json"; }

failed=()
for step in ${STEPS:-compile tuning grid extra tuned ladder ncu agreement preload start host}; do
  began=$SECONDS
  printf '== %s\n' "$step" >&2
  "$step" || failed+=("$step")
  printf '   %s: %d s\n' "$step" $((SECONDS - began)) >&2
done
((${#failed[@]} == 0)) || { printf 'failed: %s\n' "${failed[*]}" >&2; exit 1; }
