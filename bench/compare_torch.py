#!/usr/bin/env python3
"""flashjit beside PyTorch's FlashAttention-2 and cuDNN: one process, the same tensors, the same clock.

Every figure is the median of single launches timed with CUDA events. The competitors take turns, so that a wandering
clock hits all alike; before each launch a buffer larger than the L2 is written and the next of several input sets is
taken. A point counts only if flashjit's output is right: sampled rows against fp64 by the rule of the tests, and all
of it against another implementation. Writes the rows as JSON; TFLOP/s with FLOPs = 4·B·H·S²·D, halved when causal.
"""
import argparse
import datetime
import json
import math
import pathlib
import statistics
import subprocess
import sys

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from flashjit_ctypes import Attention, Flashjit, FlashjitError, sized, view

ROOT = pathlib.Path(__file__).resolve().parent.parent
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
TOKENS, WIDTH = 16384, 2048  # batch·seqlen and heads·head_dim of every point
SEQLENS = (512, 1024, 2048, 4096, 8192, 16384)
INPUT_SETS = 3
PEERS = {"fa2": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION}
KEY = ("head_dim", "causal", "seqlen", "batch", "heads", "heads_kv", "dtype", "kernel")


class Inputs:
    """Random q, k, v and an output each competitor overwrites, stored BSHD."""

    def __init__(self, point: dict, dtype: torch.dtype, generator: torch.Generator):
        def random(heads):
            shape = (point["batch"], point["seqlen"], heads, point["head_dim"])
            return torch.randn(shape, device="cuda", dtype=torch.float32, generator=generator).to(dtype)
        self.q, self.k, self.v = (random(point[h]) for h in ("heads", "heads_kv", "heads_kv"))
        self.o = torch.empty_like(self.q)
        name = next(name for name, value in DTYPES.items() if value == dtype)
        views = {letter: view(tensor.data_ptr(), name, tensor.shape, tensor.stride())
                 for letter, tensor in zip("qkvo", (self.q, self.k, self.v, self.o))}
        self.attention = sized(Attention, causal=point["causal"], **views)


def grid(arguments) -> list:
    """The points of bench/baselines/h100.json, or those whose head_dim:mask:seqlen matches --points."""
    points = []
    for head_dim in (64, 128, 256):
        for causal in (False, True):
            for seqlen in SEQLENS:
                name = f"{head_dim}:{'causal' if causal else 'full'}:{seqlen}"
                wanted = [w.split(":") for w in arguments.points.split(",")] if arguments.points else [["*"] * 3]
                if any(all(a in ("*", b) for a, b in zip(w, name.split(":"))) for w in wanted):
                    heads = WIDTH // head_dim
                    points.append({"head_dim": head_dim, "causal": causal, "seqlen": seqlen,
                                   "batch": TOKENS // seqlen, "heads": heads,
                                   "heads_kv": arguments.heads_kv or heads})
    return points


def flops(point: dict) -> float:
    full = 4.0 * point["batch"] * point["heads"] * point["seqlen"] ** 2 * point["head_dim"]
    return full / 2 if point["causal"] else full


def peer(backend: SDPBackend, point: dict):
    """A callable that runs PyTorch's attention with one backend on an Inputs."""
    grouped = {"enable_gqa": True} if point["heads"] != point["heads_kv"] else {}

    def call(inputs: Inputs):
        with sdpa_kernel(backend):
            return torch.nn.functional.scaled_dot_product_attention(
                inputs.q.transpose(1, 2), inputs.k.transpose(1, 2), inputs.v.transpose(1, 2),
                is_causal=point["causal"], **grouped).transpose(1, 2)
    return call


def naive_rows(inputs: Inputs, point: dict, batch: int, head: int, rows: torch.Tensor, dtype: torch.dtype):
    """Attention of some rows of one head, in `dtype` throughout: scores, softmax and product."""
    kv_head = head // (point["heads"] // point["heads_kv"])
    q = inputs.q[batch, rows, head].to(dtype)
    k, v = (tensor[batch, :, kv_head].to(dtype) for tensor in (inputs.k, inputs.v))
    scores = (q @ k.T) * (1.0 / math.sqrt(point["head_dim"]))
    if point["causal"]:
        hidden = torch.arange(point["seqlen"], device="cuda")[None, :] > rows[:, None]
        scores.masked_fill_(hidden, float("-inf"))
    return torch.softmax(scores, -1) @ v


def check(inputs: Inputs, point: dict, other: torch.Tensor | None) -> str:
    """"" if inputs.o is right, else what is wrong. The rule of the tests on sampled rows, `other` for all of it."""
    if not torch.isfinite(inputs.o).all():
        return "the output has NaN or infinite elements"
    seqlen, dtype = point["seqlen"], inputs.q.dtype
    rows = torch.unique(torch.cat([torch.tensor([0, 1, seqlen // 2, seqlen - 2, seqlen - 1]),
                                   torch.randint(0, seqlen, (123,))])).cuda()
    bound = 0.0
    for batch, head in {(0, 0), (point["batch"] - 1, point["heads"] - 1), (point["batch"] // 2, point["heads"] // 2)}:
        reference = naive_rows(inputs, point, batch, head, rows, torch.float64)
        low = (naive_rows(inputs, point, batch, head, rows, dtype).double() - reference).abs()
        ours = (inputs.o[batch, rows, head].double() - reference).abs()
        rounding = ((reference.to(dtype) + 0.3 - 0.3).double() - reference).abs().max()
        allowed = (2 * low.max() + 2 * rounding).item()
        bound = max(bound, allowed)
        if ours.max() > allowed or ours.mean() > 1.5 * low.mean():
            return (f"batch {batch}, head {head}: error {ours.max().item():.2e} (mean {ours.mean().item():.2e}), "
                    f"allowed {allowed:.2e} (mean {1.5 * low.mean().item():.2e})")
    if other is not None:
        difference = max((inputs.o[b].float() - other[b].float()).abs().max().item() for b in range(point["batch"]))
        if difference > 4 * bound:  # rows that were not sampled may round a little worse
            return f"differs from PyTorch's output by {difference:.2e}, more than {4 * bound:.2e}"
    return ""


class Timer:
    """Times single launches on the device, with a cold L2."""

    def __init__(self):
        # 256 MB: several times the L2, and 0.1 ms of work that hides what the host needs for the launch behind it.
        size = 4 * torch.cuda.get_device_properties(0).L2_cache_size
        self.flush = torch.empty(max(size, 256 << 20), dtype=torch.uint8, device="cuda")

    def launch(self, call, inputs: Inputs):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        self.flush.fill_(1)
        begin.record()
        call(inputs)
        end.record()
        return begin, end

    def compare(self, calls: dict, sets: list, seconds: float, at_least: int) -> dict:
        """Name -> milliseconds of each launch. Competitors take turns and every round starts with another one."""
        names = list(calls)
        for inputs in sets[:2]:
            warm = {name: self.launch(calls[name], inputs) for name in names}
        torch.cuda.synchronize()
        round_ms = sum(begin.elapsed_time(end) + 0.1 for begin, end in warm.values())
        rounds = max(at_least, min(200, int(1000 * seconds / round_ms)))
        events = {name: [] for name in names}
        for turn in range(rounds):
            for position in range(len(names)):
                name = names[(turn + position) % len(names)]
                events[name].append(self.launch(calls[name], sets[turn % len(sets)]))
            torch.cuda.synchronize()
        return {name: [begin.elapsed_time(end) for begin, end in pairs] for name, pairs in events.items()}


def measure_point(point: dict, arguments, libraries: dict, timer: Timer, generator) -> list:
    """One row per kernel family: the same round-robin gives all of them and the peers."""
    dtype = DTYPES[arguments.dtype]
    sets = [Inputs(point, dtype, generator) for _ in range(INPUT_SETS)]
    calls, errors, variants, other = {}, {}, {}, None
    stream = torch.cuda.current_stream().cuda_stream
    for name, backend in PEERS.items():
        try:
            other = peer(backend, point)(sets[0])
            calls[name] = peer(backend, point)
        except RuntimeError as error:
            print(f"  {name}: not available here: {str(error).splitlines()[0]}", file=sys.stderr)
    for family, library in libraries.items():
        try:
            sets[0].o.fill_(float("nan"))
            variants[family] = library.prepare(sets[0].attention).name.decode()
            library.forward(sets[0].attention, stream)
            torch.cuda.synchronize()
            wrong = check(sets[0], point, other)
        except FlashjitError as error:
            wrong = str(error)
        if wrong:
            errors[family] = wrong
        else:
            calls[family] = lambda inputs, library=library: library.forward(inputs.attention, stream)
    times = timer.compare(calls, sets, arguments.seconds_per_point, arguments.min_rounds) if calls else {}
    tflops = {name: round(flops(point) / statistics.median(ms) / 1e9, 1) for name, ms in times.items()}
    rows = []
    for family in libraries:
        row = {**point, "dtype": arguments.dtype, "kernel": family}
        if family in errors:
            row["error"] = errors[family]
        else:
            quartiles = statistics.quantiles(times[family], n=4)
            row |= {"flashjit": tflops[family]}
            row |= {name: tflops[name] for name in PEERS if name in tflops}
            row |= {"spread": round((quartiles[2] - quartiles[0]) / quartiles[1], 4), "runs": len(times[family]),
                    "variant": variants[family]}
        rows.append(row)
    return rows


def reference(row: dict, baseline: dict) -> float | None:
    """The number to beat at this point, moved to today's clock: cuDNN now × (best / cuDNN) of the baseline."""
    base = baseline.get((row["head_dim"], row["causal"], row["seqlen"], row["heads"]))
    return row["cudnn"] * base["best"] / base["cudnn"] if base and "cudnn" in row else None


def geometric_mean(values: list) -> float:
    return math.exp(statistics.fmean(math.log(v) for v in values)) if values else float("nan")


def summarise(rows: list, baseline: dict) -> dict:
    """kernel -> geometric means of flashjit over each peer and over the reference, with the number of points."""
    means = {}
    for kernel in dict.fromkeys(row["kernel"] for row in rows):
        good = [row for row in rows if row["kernel"] == kernel and "flashjit" in row]
        ratios = {name: [row["flashjit"] / row[name] for row in good if name in row] for name in PEERS}
        ratios["reference"] = [row["flashjit"] / r for row in good if (r := reference(row, baseline))]
        means[kernel] = {f"vs_{name}": round(geometric_mean(values), 3) for name, values in ratios.items() if values}
        means[kernel]["points"] = len(good)
    return means


def print_row(row: dict, baseline: dict) -> None:
    where = f"{row['kernel']:6} d{row['head_dim']:<3} {'causal' if row['causal'] else 'full':6} {row['seqlen']:6}"
    if "error" in row:
        print(f"{where}  {row['error']}", flush=True)
        return
    best = reference(row, baseline)
    print(f"{where}  {row['flashjit']:7.1f}  {row.get('fa2', float('nan')):7.1f}  {row.get('cudnn', float('nan')):7.1f}"
          f"  {row['flashjit'] / best if best else float('nan'):6.3f}  {100 * row['spread']:5.1f}%  {row['variant']}",
          flush=True)


def write_results(path: pathlib.Path, result: dict) -> None:
    """One row per line, so that a diff shows points."""
    head = json.dumps({name: value for name, value in result.items() if name != "forward"}, indent=2)
    rows = ",\n".join("    " + json.dumps(row) for row in result["forward"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(head[:-2] + ',\n  "forward": [\n' + rows + "\n  ]\n}\n")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--family", default="auto", help="simt, sm80, sm90 or auto; several with commas")
    parser.add_argument("--points", default="", help="e.g. 128:causal:4096,64:*:512; default: all 36")
    parser.add_argument("--dtype", choices=DTYPES, default="bf16")
    parser.add_argument("--heads-kv", type=int, default=0, help="grouped-query attention (default: heads)")
    parser.add_argument("--seconds", type=float, default=45, help="measuring time for all points (default: %(default)s)")
    parser.add_argument("--min-rounds", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path, help="e.g. bench/results/h100.json")
    parser.add_argument("--append", action="store_true", help="keep the other rows that --out already has")
    parser.add_argument("--library", type=pathlib.Path, default=ROOT / "build/release/runtime/libflashjit.so")
    parser.add_argument("--baseline", type=pathlib.Path, default=ROOT / "bench/baselines/h100.json")
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    points = grid(arguments)
    if not points:
        sys.exit(f"no point of the grid matches {arguments.points}")
    arguments.seconds_per_point = arguments.seconds / len(points)
    baseline = {(r["head_dim"], r["causal"], r["seqlen"], r["heads"]): r
                for r in json.loads(arguments.baseline.read_text())["forward"]}
    torch.manual_seed(1)
    generator = torch.Generator(device="cuda").manual_seed(1)
    libraries = {family: Flashjit(arguments.library, family) for family in arguments.family.split(",")}
    timer, rows = Timer(), []
    print("kernel head_dim mask seqlen   flashjit     fa2    cudnn  vs ref  spread  variant")
    for point in points:
        for row in measure_point(point, arguments, libraries, timer, generator):
            print_row(row, baseline)
            rows.append(row)
    means = summarise(rows, baseline)
    for kernel, mean in means.items():
        print(f"geometric means, {kernel}: " + ", ".join(f"{k} {v}" for k, v in mean.items()))
    if arguments.out:
        if arguments.append and arguments.out.exists():
            new = {tuple(row[k] for k in KEY) for row in rows}
            old = json.loads(arguments.out.read_text())["forward"]
            rows = [row for row in old if tuple(row[k] for k in KEY) not in new] + rows
        driver = subprocess.run(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
                                capture_output=True, text=True, check=False).stdout.splitlines()
        write_results(arguments.out, {
            "device": torch.cuda.get_device_name(), "driver": driver[0] if driver else "unknown",
            "date": datetime.date.today().isoformat(), "command": "./dev bench --torch " + " ".join(sys.argv[1:]),
            "torch": torch.__version__, "cudnn": str(torch.backends.cudnn.version()),
            "geometric_means": summarise(rows, baseline), "forward": rows})
    return int(any("error" in row for row in rows))


if __name__ == "__main__":
    sys.exit(main())
