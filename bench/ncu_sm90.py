#!/usr/bin/env python3
"""Where the Hopper forward spends its cycles, by Nsight Compute: issue slots, pipes and stall reasons of five problems,
each with the heuristic's tiling.

Needs `ncu` and the right to read performance counters. Prints a Markdown table; --out also keeps the numbers as JSON,
--write puts the table between the lines <!-- ncu --> and <!-- /ncu --> of a file.
"""
import argparse
import csv
import datetime
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import ladder_table

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROBLEMS = ((64, False), (128, False), (128, True), (256, False), (256, True))  # head_dim, causal
SECTIONS = ("SpeedOfLight", "ComputeWorkloadAnalysis", "SchedulerStats", "WarpStateStats")
BEGIN, END = "<!-- ncu -->", "<!-- /ncu -->"
# What a row takes from ncu's raw page: name -> patterns of metrics, the first that exists counts. Pipes in per cent of
# what they could do while an SM is active.
METRICS = {
    "time_us": (r"^gpu__time_duration\.sum$",),
    "issue": (r"^sm(sp)?__(inst_issued|issue_active)\.avg\.pct_of_peak_sustained_active$", r"^sm(sp)?__issue_active\.avg\."),
    "tensor": (r"^sm__pipe_tensor_cycles_active\.avg\.pct_of_peak_sustained_active$",
               r"^sm__(pipe|inst_executed_pipe)_tensor_op_(gmma|hmma).*pct_of_peak_sustained_active$",
               r"^sm__(pipe|inst_executed_pipe)_tensor.*pct_of_peak_sustained_active$"),
    "xu": (r"^sm__(inst_executed_pipe|pipe)_xu.*pct_of_peak_sustained_active$",),
    "fma": (r"^sm__(pipe|inst_executed_pipe)_fma(_cycles_active)?\.avg\.pct_of_peak_sustained_active$",
            r"^sm__(pipe|inst_executed_pipe)_fma.*pct_of_peak_sustained_active$"),
    "alu": (r"^sm__(pipe|inst_executed_pipe)_alu.*pct_of_peak_sustained_active$",),
    "uniform": (r"^sm__(pipe|inst_executed_pipe)_uniform.*pct_of_peak_sustained_active$",),
}
STALL = re.compile(r"^smsp__average_warps_issue_stalled_(\w+?)_per_issue_active\.ratio$")
TO_MICROSECONDS = {"ns": 1e-3, "nsecond": 1e-3, "us": 1.0, "usecond": 1.0, "ms": 1e3, "msecond": 1e3}


def number(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def parse_raw(text: str) -> dict:
    """One kernel's row of `ncu --page raw --csv`: metric -> (value, unit). Lines before the heading are the program's."""
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith('"ID"')), None)
    if start is None:
        raise ValueError("no table in the output of ncu")
    rows = list(csv.reader(io.StringIO("\n".join(lines[start:]))))
    if len(rows) < 3:
        raise ValueError("no kernel in the output of ncu")
    names, units, values = rows[:3]
    return dict(zip(names, zip(values, units)))


def summarise(raw: dict) -> dict:
    """The numbers of METRICS that ncu has, and the five largest stalls in warps per issue."""
    row = {"kernel": raw.get("Kernel Name", ("", ""))[0]}
    for name, patterns in METRICS.items():
        found = next((metric for pattern in patterns for metric in raw if re.search(pattern, metric)), None)
        value = number(raw[found][0]) if found else None
        if value is not None:
            row[name] = round(value * TO_MICROSECONDS.get(raw[found][1], 1.0) if name == "time_us" else value, 1)
    stalls = {match[1]: number(value) for metric, (value, _) in raw.items() if (match := STALL.match(metric))}
    largest = sorted((s for s in stalls if stalls[s]), key=lambda s: -stalls[s])[:5]
    return row | {"stalls": {name: round(stalls[name], 2) for name in largest}}


def tiling_of(variant: str) -> str:
    """m192n64s4_static of fwd_sm90_bf16_d128_m192n64s4_static."""
    return re.sub(r"^fwd_sm90_[a-z0-9]+_d\d+(v\d+)?(_causal)?_", "", variant)


def markdown(result: dict) -> str:
    columns = [name for name in METRICS if any(name in row for row in result["rows"])]
    titles = {"time_us": "µs", "issue": "issue slots", "tensor": "tensor pipe", "xu": "exp (xu) pipe"}
    lines = [f"{result['device']}, {result['date']}, bf16, S = 4096, 16k tokens, under ncu's clocks; pipes in % of their peak "
             "while an SM is active, stalls in warps for each issue.\n",
             "| problem | tiling | " + " | ".join(titles.get(name, name) for name in columns) + " | largest stalls |",
             "|---" * (len(columns) + 3) + "|"]
    for row in result["rows"]:
        problem = f"{row['head_dim']} {'causal' if row['causal'] else 'full'} | {tiling_of(row['kernel'])}"
        stalls = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in row["stalls"].items())
        lines.append(f"| {problem} | " + " | ".join(str(row.get(name, "–")) for name in columns) + f" | {stalls} |")
    return "\n".join(lines) + "\n"


def profile(ncu: str, program: pathlib.Path, head_dim: int, causal: bool) -> dict:
    command = [ncu, "--csv", "--page", "raw", "--kernel-name", "regex:^fwd_sm90", "--launch-skip", "1", "--launch-count", "1",
               *(argument for section in SECTIONS for argument in ("--section", section)),
               str(program), "bench", "--head-dim", str(head_dim), "--heads", str(2048 // head_dim), "--batch", "4",
               "--seqlen", "4096", "--rounds", "2", "--seconds", "0.1", *(["--causal"] if causal else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "FLASHJIT_TUNE": "off"})
    try:
        return {"head_dim": head_dim, "causal": causal} | summarise(parse_raw(done.stdout))
    except ValueError as error:
        sys.exit(f"ncu_sm90: {error}; it said:\n" + "\n".join((done.stdout + done.stderr).splitlines()[-15:]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/release/cli/flashjit")
    parser.add_argument("--out", type=pathlib.Path, help="e.g. bench/results/h100_ncu.json")
    parser.add_argument("--write", type=pathlib.Path, metavar="FILE", help="e.g. docs/hopper.md")
    arguments = parser.parse_args()
    ncu = shutil.which("ncu") or shutil.which("ncu", path="/usr/local/cuda/bin")
    if not ncu:
        sys.exit("ncu_sm90: no ncu here; it comes with the CUDA toolkit")
    rows = [profile(ncu, arguments.program, *problem) for problem in PROBLEMS]
    device = subprocess.run(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True,
                            check=False).stdout.splitlines()
    result = {"device": device[0] if device else "unknown", "date": datetime.date.today().isoformat(),
              "command": "bench/ncu_sm90.py", "rows": rows}
    section = markdown(result)
    print(section, end="")
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    if arguments.write:
        text = arguments.write.read_text()
        arguments.write.write_text(ladder_table.replace_section(text, section, BEGIN, END))
    return 0


if __name__ == "__main__":
    sys.exit(main())
