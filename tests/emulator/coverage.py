#!/usr/bin/env python3
"""Runs a program of instrumented kernels and reports which lines of kernel_src/ ran.

Counts what gcov knows of kernel_src/ outside of ptx/, which the emulator replaces; a line counts as run when any
variant ran it. Exit status 1 when the program fails or fewer lines ran than --minimum per cent.
"""
import argparse
import collections
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SOURCES = ROOT / "kernel_src"


def counted(file: str, folder: pathlib.Path):
    """The path below kernel_src/, or None for files that are not of interest."""
    path = (folder / file).resolve()
    if not path.is_relative_to(SOURCES) or path.is_relative_to(SOURCES / "ptx"):
        return None
    return path.relative_to(SOURCES).as_posix()


def line_counts(gcov: str, objects: pathlib.Path) -> dict:
    """{file: {line: times it ran}} over all translation units."""
    lines = collections.defaultdict(collections.Counter)
    for data in sorted(objects.resolve().rglob("*.gcda")):
        result = subprocess.run([gcov, "--json-format", "--stdout", str(data)], cwd=data.parent, capture_output=True,
                                text=True, check=True)
        for text in result.stdout.splitlines():
            report = json.loads(text)
            folder = pathlib.Path(report["current_working_directory"])
            for file in report["files"]:
                name = counted(file["file"], folder)
                for line in file["lines"] if name else []:
                    lines[name][line["line_number"]] += line["count"]
    return lines


def ranges(numbers: list) -> str:
    """[3, 4, 5, 9] → "3-5, 9"."""
    groups = []
    for number in numbers:
        if groups and number == groups[-1][1] + 1:
            groups[-1][1] = number
        else:
            groups.append([number, number])
    return ", ".join(f"{a}-{b}" if a < b else str(a) for a, b in groups)


def report(lines: dict) -> float:
    run = known = 0
    print(f"{'file':34}{'lines':>7}{'run':>7}   not run")
    for file, counts in sorted(lines.items()):
        missed = sorted(line for line, count in counts.items() if count == 0)
        known += len(counts)
        run += len(counts) - len(missed)
        print(f"{file:34}{len(counts):7}{len(counts) - len(missed):7}   {ranges(missed)}")
    percent = 100 * run / known if known else 0
    print(f"coverage of kernel_src/: {run} of {known} lines, {percent:.1f} %")
    return percent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--objects", type=pathlib.Path, required=True, help="where its .gcda files are written")
    parser.add_argument("--gcov", default="gcov")
    parser.add_argument("--minimum", type=float, default=0, help="per cent")
    arguments = parser.parse_args()
    for old in arguments.objects.rglob("*.gcda"):
        old.unlink()
    status = subprocess.run([arguments.program], check=False).returncode
    percent = report(line_counts(arguments.gcov, arguments.objects))
    if percent < arguments.minimum:
        print(f"coverage: less than {arguments.minimum:g} %")
    return int(status != 0 or percent < arguments.minimum)


if __name__ == "__main__":
    sys.exit(main())
