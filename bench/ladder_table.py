#!/usr/bin/env python3
"""The tables of docs/hopper.md from what `flashjit bench --ladder --out FILE` wrote, so that nobody copies a number.

Prints Markdown; with --write it replaces what stands between the lines <!-- ladder --> and <!-- /ladder --> of a file.
"""
import argparse
import graphlib
import json
import pathlib
import re
import sys

BEGIN, END = "<!-- ladder -->", "<!-- /ladder -->"
KINDS = {"step": ("step", "over the step before"), "without": ("left out or replaced", "of the choice's speed")}


def case_of(row: dict) -> str:
    return f"{row['head_dim']} {'causal' if row['causal'] else 'full'}"


def cell(row: dict | None) -> str:
    """TFLOP/s, the share of the tensor cores' peak per clock, and the gain."""
    if row is None:
        return ""
    if row["tflops"] is None:
        return "fails"
    parts = [f"{row['tflops']:.0f}"]
    if row["utilisation"] is not None:
        parts.append(f"{row['utilisation']:.2f}".lstrip("0"))
    if row["gain"] is not None:
        parts.append(f"×{row['gain']:.2f}")
    return " · ".join(parts)


def general(step: str) -> str:
    """Steps of several cases share a line although their tiles differ: "+ 3 warpgroups, 192×64"."""
    return re.sub(r"\d+ warpgroups, \d+×\d+", "more warpgroups", step)


def merge_orders(orders: list) -> list:
    """One order of steps in which those of every case keep theirs. Raises graphlib.CycleError where there is none."""
    steps = graphlib.TopologicalSorter()
    for order in orders:
        for step, before in zip(order, [None, *order]):
            steps.add(step, *([before] if before else []))
    return list(steps.static_order())


def table(rows: list, kind: str) -> str:
    cases = list(dict.fromkeys(case_of(row) for row in rows))
    cells = {(general(row["step"]), case_of(row)): row for row in rows if row["kind"] == kind}
    steps = merge_orders([[step for step, where in cells if where == case] for case in cases])
    title, _ = KINDS[kind]
    lines = [f"| {title} | " + " | ".join(cases) + " |", "|---" * (len(cases) + 1) + "|"]
    lines += [f"| {step} | " + " | ".join(cell(cells.get((step, case))) for case in cases) + " |" for step in steps]
    return "\n".join(lines)


def markdown(result: dict) -> str:
    rows = result["rows"]
    seqlens = sorted({row["seqlen"] for row in rows})
    clocks = [row["sm_clock_mhz"] for row in rows if row["sm_clock_mhz"]]
    clock = f", SM clock {min(clocks):.0f} – {max(clocks):.0f} MHz" if clocks else ""
    head = (f"{result['device']}, {result['date']}, bf16, S = {', '.join(map(str, seqlens))}, 16k tokens, heads · head_dim = "
            f"2048{clock}; `{result['command']}`. Cells: TFLOP/s · share of the tensor cores' peak per clock · gain ")
    parts = [head + KINDS[kind][1] + ".\n\n" + table(rows, kind) for kind in KINDS]
    return "\n\n".join(parts) + "\n"


def replace_section(text: str, section: str, begin: str = BEGIN, end: str = END) -> str:
    """Text with the lines between the marks replaced. Raises ValueError without exactly one pair of marks."""
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"needs one {begin} and one {end} behind it")
    return text[:text.index(begin) + len(begin)] + "\n" + section + text[text.index(end):]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=pathlib.Path, help="e.g. bench/results/h100_ladder.json")
    parser.add_argument("--write", type=pathlib.Path, metavar="FILE", help="e.g. docs/hopper.md")
    arguments = parser.parse_args()
    section = markdown(json.loads(arguments.results.read_text()))
    if not arguments.write:
        print(section, end="")
        return 0
    try:
        arguments.write.write_text(replace_section(arguments.write.read_text(), section))
    except ValueError as error:
        sys.exit(f"{arguments.write}: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
