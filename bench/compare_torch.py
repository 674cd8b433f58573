#!/usr/bin/env python3
"""flashjit beside PyTorch's FlashAttention-2 and cuDNN: one process, the same tensors, the same clock.

Every figure is the median of single launches timed with CUDA events. The competitors take turns, so that a wandering
clock hits all alike; before each launch a buffer larger than the L2 is written and the next of several input sets is
taken. A point counts only if flashjit's output is right: sampled rows against fp64 by the rule of the tests, and all
of it against another implementation. Writes the rows as JSON; TFLOP/s with FLOPs = 4·B·H·S²·D, halved when causal;
utilisation is the share of what the tensor cores do at the SM clock that was sampled meanwhile. With --extra the points
of extra_points.py instead, as further sections of the same file.
"""
import argparse
import ctypes
import datetime
import json
import math
import pathlib
import statistics
import subprocess
import sys

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

import extra_points
from flashjit_ctypes import Attention, Flashjit, FlashjitError, sized, view

ROOT = pathlib.Path(__file__).resolve().parent.parent
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
TOKENS, WIDTH = 16384, 2048  # batch·seqlen and heads·head_dim of every point
SEQLENS = (512, 1024, 2048, 4096, 8192, 16384)
INPUT_SETS = 3
PEERS = {"fa2": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION}
FLOPS_PER_CLOCK = {(9, 0): 4096, (8, 0): 2048}  # of one SM's tensor cores, 16-bit inputs, by compute capability
KEY = ("head_dim", "causal", "seqlen", "batch", "heads", "heads_kv", "dtype", "kernel")


class Inputs:
    """Random q, k, v and an output each competitor overwrites, stored BSHD."""

    def __init__(self, point: dict, dtype: torch.dtype, generator: torch.Generator):
        def random(heads):
            shape = (point["batch"], point["seqlen"], heads, point["head_dim"])
            values = torch.randn(shape, device="cuda", dtype=torch.float32, generator=generator)
            return values.to(DTYPES[point.get("values", point["dtype"])]).to(dtype)
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
                                   "heads_kv": arguments.heads_kv or heads, "dtype": arguments.dtype})
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


class SmClock:
    """The SM clock, sampled through NVML where it is installed."""

    def __init__(self):
        self.samples, self.device = [], ctypes.c_void_p()
        properties = torch.cuda.get_device_properties(0)
        try:
            bus = f"{properties.pci_domain_id:08x}:{properties.pci_bus_id:02x}:{properties.pci_device_id:02x}.0"
            self.library = ctypes.CDLL("libnvidia-ml.so.1")
            known = (self.library.nvmlInit_v2() == 0 and
                     self.library.nvmlDeviceGetHandleByPciBusId_v2(bus.encode(), ctypes.byref(self.device)) == 0)
        except (OSError, AttributeError):
            known = False
        if not known:
            self.device = None

    def sample(self):
        mhz = ctypes.c_uint()
        sm = 1  # NVML_CLOCK_SM
        if self.device and self.library.nvmlDeviceGetClockInfo(self.device, sm, ctypes.byref(mhz)) == 0:
            self.samples.append(mhz.value)

    def take(self) -> float | None:
        """The median since the last call."""
        median = statistics.median(self.samples) if self.samples else None
        self.samples = []
        return median


class Timer:
    """Times single launches on the device, with a cold L2."""

    def __init__(self):
        # 256 MB: several times the L2, and 0.1 ms of work that hides what the host needs for the launch behind it.
        size = 4 * torch.cuda.get_device_properties(0).L2_cache_size
        self.flush = torch.empty(max(size, 256 << 20), dtype=torch.uint8, device="cuda")
        self.clock = SmClock()

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
            self.clock.sample()
            torch.cuda.synchronize()
        return {name: [begin.elapsed_time(end) for begin, end in pairs] for name, pairs in events.items()}


class Competition:
    """One point's calls on inputs of its own, by competitor, and what is wrong with the others."""

    def __init__(self, point: dict, at: int, sets: list, libraries: dict):
        self.point, self.calls, self.errors, self.variants, other = point, {}, {}, {}, None
        first = sets[0][at]
        stream = torch.cuda.current_stream().cuda_stream
        for name, backend in PEERS.items():
            try:
                call = peer(backend, point)
                other = call(first)
                self.calls[name] = lambda inputs, call=call: call(inputs[at])
            except RuntimeError as error:
                print(f"  {name}: not available here: {str(error).splitlines()[0]}", file=sys.stderr)
        for family, library in libraries.items():
            try:
                first.o.fill_(float("nan"))
                self.variants[family] = library.prepare(first.attention).name.decode()
                library.forward(first.attention, stream)
                torch.cuda.synchronize()
                wrong = check(first, point, other)
            except FlashjitError as error:
                wrong = str(error)
            if wrong:
                self.errors[family] = wrong
            else:
                self.calls[family] = lambda inputs, library=library: library.forward(inputs[at].attention, stream)

    def rows(self, times: dict, libraries: dict, mhz: float | None) -> list:
        """One row per kernel family; `times` of this point by competitor."""
        tflops = {name: round(flops(self.point) / statistics.median(ms) / 1e9, 1) for name, ms in times.items()}
        rows = []
        for family in libraries:
            row = {**self.point, "kernel": family}
            if family in self.errors:
                row["error"] = self.errors[family]
            else:
                quartiles = statistics.quantiles(times[family], n=4)
                row |= {"flashjit": tflops[family]}
                row |= {name: tflops[name] for name in PEERS if name in tflops}
                row |= {"spread": round((quartiles[2] - quartiles[0]) / quartiles[1], 4), "runs": len(times[family]),
                        "variant": self.variants[family]}
                row |= utilisation(tflops[family], mhz)
            rows.append(row)
        return rows


def utilisation(tflops: float, mhz: float | None) -> dict:
    properties = torch.cuda.get_device_properties(0)
    per_clock = FLOPS_PER_CLOCK.get((properties.major, properties.minor))
    if not mhz or not per_clock:
        return {}
    peak = properties.multi_processor_count * per_clock * mhz * 1e6
    return {"sm_clock_mhz": mhz, "utilisation": round(tflops * 1e12 / peak, 4)}


def measure_points(points: list, seconds: float, at_least: int, libraries: dict, timer: Timer, generator) -> list:
    """Rows of points that are measured together: one round-robin gives all kernel families and the peers."""
    sets = [[Inputs(point, DTYPES[point["dtype"]], generator) for point in points] for _ in range(INPUT_SETS)]
    competitions = [Competition(point, at, sets, libraries) for at, point in enumerate(points)]
    calls = {(at, name): call for at, competition in enumerate(competitions)
             for name, call in competition.calls.items()}
    times = timer.compare(calls, sets, seconds, at_least) if calls else {}
    mhz, rows = timer.clock.take(), []
    for at, competition in enumerate(competitions):
        own = {name: ms for (index, name), ms in times.items() if index == at}
        rows += competition.rows(own, libraries, mhz)
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
    values = f" of {row['values']} values" if "values" in row else ""
    print(f"{where}  {row['flashjit']:7.1f}  {row.get('fa2', float('nan')):7.1f}  {row.get('cudnn', float('nan')):7.1f}"
          f"  {row['flashjit'] / best if best else float('nan'):6.3f}  {100 * row['spread']:5.1f}%  {row['variant']}{values}",
          flush=True)


def write_results(path: pathlib.Path, result: dict) -> None:
    """One row per line, so that a diff shows points."""
    parts = []
    for name, value in result.items():
        if isinstance(value, list):
            rows = ",\n".join("    " + json.dumps(row) for row in value)
            parts.append(f'  {json.dumps(name)}: [\n{rows}\n  ]')
        else:
            parts.append(f"  {json.dumps(name)}: " + json.dumps(value, indent=2).replace("\n", "\n  "))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--family", default="auto", help="simt, sm80, sm90 or auto; several with commas")
    parser.add_argument("--points", default="", help="e.g. 128:causal:4096,64:*:512; default: all 36")
    parser.add_argument("--dtype", choices=DTYPES, default="bf16")
    parser.add_argument("--heads-kv", type=int, default=0, help="grouped-query attention (default: heads)")
    parser.add_argument("--extra", action="store_true",
                        help="head dims between the classical ones, fp16 and grouped queries instead of the grid")
    parser.add_argument("--seconds", type=float, help="measuring time for all points (default: 45, with --extra 25)")
    parser.add_argument("--min-rounds", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path, help="e.g. bench/results/h100.json")
    parser.add_argument("--append", action="store_true", help="keep the other rows that --out already has")
    parser.add_argument("--library", type=pathlib.Path, default=ROOT / "build/release/runtime/libflashjit.so")
    parser.add_argument("--baseline", type=pathlib.Path, default=ROOT / "bench/baselines/h100.json")
    return parser.parse_args()


def provenance() -> dict:
    driver = subprocess.run(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
                            capture_output=True, text=True, check=False).stdout.splitlines()
    return {"device": torch.cuda.get_device_name(), "driver": driver[0] if driver else "unknown",
            "date": datetime.date.today().isoformat(), "command": "./dev bench --torch " + " ".join(sys.argv[1:]),
            "torch": torch.__version__, "cudnn": str(torch.backends.cudnn.version())}


def known_results(path: pathlib.Path | None) -> dict:
    return json.loads(path.read_text()) if path and path.exists() else {}


def run_grid(arguments, measure, baseline: dict) -> list:
    points, rows = grid(arguments), []
    if not points:
        sys.exit(f"no point of the grid matches {arguments.points}")
    for point in points:
        for row in measure([point], (arguments.seconds or 45) / len(points)):
            print_row(row, baseline)
            rows.append(row)
    for kernel, mean in summarise(rows, baseline).items():
        print(f"geometric means, {kernel}: " + ", ".join(f"{k} {v}" for k, v in mean.items()))
    if arguments.out:
        old = known_results(arguments.out)
        if arguments.append:
            new = {tuple(row[k] for k in KEY) for row in rows}
            rows = [row for row in old.get("forward", []) if tuple(row[k] for k in KEY) not in new] + rows
        extra = {name: old[name] for name in ("extra", *extra_points.SECTIONS) if name in old}
        write_results(arguments.out,
                      provenance() | {"geometric_means": summarise(rows, baseline), "forward": rows} | extra)
    return rows


def run_extra(arguments, measure, baseline: dict) -> list:
    """The sections of extra_points.py; the rest of --out stays as it is."""
    groups = extra_points.groups()
    sections = {name: [] for name in extra_points.SECTIONS}
    for section, points in groups:
        for row in measure(points, (arguments.seconds or 25) / len(groups)):
            print_row(row, baseline)
            sections[section].append(row)
    for section, rows in sections.items():
        extra_points.finish(section, rows)
        print(extra_points.summary(section, rows))
    if arguments.out:
        old = known_results(arguments.out)
        write_results(arguments.out, (old or provenance()) | {"extra": provenance()} | sections)
    return [row for rows in sections.values() for row in rows]


def main() -> int:
    arguments = parse_arguments()
    baseline = {(r["head_dim"], r["causal"], r["seqlen"], r["heads"]): r
                for r in json.loads(arguments.baseline.read_text())["forward"]}
    torch.manual_seed(1)
    generator = torch.Generator(device="cuda").manual_seed(1)
    libraries = {family: Flashjit(arguments.library, family) for family in arguments.family.split(",")}
    timer = Timer()
    print("kernel head_dim mask seqlen   flashjit     fa2    cudnn  vs ref  spread  variant")

    def measure(points, seconds):
        return measure_points(points, seconds, arguments.min_rounds, libraries, timer, generator)
    rows = (run_extra if arguments.extra else run_grid)(arguments, measure, baseline)
    return int(any("error" in row for row in rows))


if __name__ == "__main__":
    sys.exit(main())
