#!/usr/bin/env python3
"""Plants faults in the kernels, one at a time, and sees the emulator find them: `./dev mutate`, docs/emulator.md.

The faults are data, emulator/mutations/*.toml. Each is one replacement in one file of kernel_src/:

    [[mutation]]
    name = "k-not-released"           unique in its table
    file = "sm90/mainloop.cuh"        in kernel_src/
    breaks = "the producer waits for ever"
    old, new = …                      `old` stands in the file exactly once; the last line's end does not count, and
                                      the profiler's marks are left out: they are nothing unless one is asked for
    variant, shapes                   what is run, as tests/emulator/emu_check.cpp reads it; else the table's defaults
    banks = true                      bank conflicts count as a finding, in the unmutated text as well
    row = "k_empty"                   of sm90/mainloop.cuh's table of barriers
    equivalent = "why"                no run can tell this from the original, and this is the argument

A mutated copy of kernel_src/ is compiled and run by emu_check, several schedules with all detectors on. A mutation is
caught when every schedule ends in a finding; one that does not compile, crashes the program or runs out of time proves
nothing and is an error, as is an equivalent one that is caught, and unmutated text that is not clean.
"""
import argparse
import collections
import concurrent.futures
import dataclasses
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
KERNELS = ROOT / "kernel_src"
TABLES = ROOT / "emulator" / "mutations"
PROGRAM = ROOT / "build" / "release" / "tests" / "emulator" / "emu_check"
MAINLOOP = KERNELS / "sm90" / "mainloop.cuh"
KEYS = {"name", "file", "breaks", "old", "new", "variant", "shapes", "banks", "row", "equivalent", "family"}
TIME_LIMIT_S = 300  # of all runs of one mutation; a kernel that loops for ever ends long before, by its steps
MAX_STEPS = 20_000_000  # of one CTA; the longest runs here, with rows that are summed again, take under 5 million


class TableError(Exception):
    pass


@dataclasses.dataclass(frozen=True)
class Run:
    """What is compiled and run; the unmutated text must be clean under the same."""
    variant: str
    shapes: tuple
    banks: bool


@dataclasses.dataclass(frozen=True)
class Mutation:
    family: str
    name: str
    file: str
    breaks: str
    old: str
    new: str
    run: Run
    row: str
    equivalent: str

    def full_name(self):
        return f"{self.family}/{self.name}"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """kinds: of the finding of each schedule, "ok" where there was none. error: why nothing is proved, or ""."""
    kinds: tuple
    message: str = ""
    error: str = ""

    def caught(self):
        return not self.error and all(kind != "ok" for kind in self.kinds)

    def clean(self):
        return not self.error and all(kind == "ok" for kind in self.kinds)

    def text(self):
        if self.error:
            return self.error
        counts = collections.Counter(self.kinds)
        return ", ".join(f"{kind} {n}/{len(self.kinds)}" for kind, n in counts.most_common())


def load_table(path: pathlib.Path) -> list:
    table = tomllib.loads(path.read_text())
    defaults = table.get("defaults", {})
    mutations = []
    for entry in table.get("mutation", []):
        name = f"{path.name}: {entry.get('name', '?')}"
        if unknown := set(entry) - KEYS:
            raise TableError(f"{name}: no such key: {', '.join(sorted(unknown))}")
        entry = {"banks": False, "row": "", "equivalent": "", "family": path.stem, **defaults, **entry}
        if missing := KEYS - set(entry):
            raise TableError(f"{name}: has no {', '.join(sorted(missing))}")
        mutations.append(Mutation(
            family=entry["family"], name=entry["name"], file=entry["file"], breaks=entry["breaks"],
            old=entry["old"].rstrip("\n"), new=entry["new"].rstrip("\n"), row=entry["row"],
            equivalent=" ".join(entry["equivalent"].split()),
            run=Run(entry["variant"], tuple(entry["shapes"]), entry["banks"])))
    return mutations


def mutate(text: str, mutation: Mutation) -> str:
    text = re.sub(r"^ *profiler\.mark\(.*\);\n", "", text, flags=re.M)
    found = text.count(mutation.old) if mutation.old else 0
    if found != 1:
        raise TableError(f"{mutation.full_name()}: its old text stands {found} times in {mutation.file}, not once:\n"
                         f"{mutation.old}")
    if mutation.new == mutation.old:
        raise TableError(f"{mutation.full_name()}: changes nothing")
    return text.replace(mutation.old, mutation.new)


def barrier_rows() -> list:
    """The first column of the table of barriers on top of sm90/mainloop.cuh."""
    header = MAINLOOP.read_text().split("#pragma once")[0]
    rows = re.findall(r"^//   ([a-z]+_[a-z]+)\[|^//   (named \d \+ w)|, ([a-z]+_[a-z]+)\[s\]: the same", header, re.M)
    names = [name for row in rows for name in row if name]
    same = re.search(r"^//   ([a-z]+_[a-z]+)\[s\], \w+\[s\]: the same", header, re.M)
    return sorted(set(names) | ({same[1]} if same else set()))


def check_tables(mutations: list) -> list:
    """What is wrong with the tables, as texts: they must rot loudly."""
    errors = []
    for mutation in mutations:
        try:
            mutate((KERNELS / mutation.file).read_text(), mutation)
        except (OSError, TableError) as error:
            errors.append(str(error))
    for name, n in collections.Counter(m.full_name() for m in mutations).items():
        if n > 1:
            errors.append(f"{name} stands {n} times in the tables")
    planted = {row.strip() for m in mutations if not m.equivalent for row in m.row.split(",")}
    for row in barrier_rows():
        if row not in planted:
            errors.append(f"no mutation of the row {row} of the table of barriers in sm90/mainloop.cuh")
    return errors


def load_tables() -> list:
    mutations = [m for path in sorted(TABLES.glob("*.toml")) for m in load_table(path)]
    if errors := check_tables(mutations):
        raise TableError("\n".join(errors))
    return mutations


class Runner:
    def __init__(self, program: pathlib.Path, cache: pathlib.Path, seed: int, schedules: int):
        self.program, self.cache, self.seed, self.schedules = program, cache, seed, schedules

    def outcome(self, run: Run, kernels: pathlib.Path) -> Outcome:
        command = [str(self.program), run.variant, *(f"shape={shape}" for shape in run.shapes), "each",
                   f"seed={self.seed}", f"schedules={self.schedules}", f"steps={MAX_STEPS}",
                   f"kernels={kernels}", f"cache={self.cache}", *(["banks"] if run.banks else [])]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT_S)
        except subprocess.TimeoutExpired:
            return Outcome((), error=f"not done after {TIME_LIMIT_S} s")
        if done.returncode == 3:
            return Outcome((), done.stdout, "does not compile")
        if done.returncode not in (0, 1):
            return Outcome((), done.stdout[-2000:] + done.stderr[-2000:], f"emu_check ended with {done.returncode}")
        kinds = {}  # of each schedule, the first finding over the shapes
        for seed, kind in re.findall(r"^fwd_.* seed (\d+): (\w+),", done.stdout, re.M):
            if kinds.get(seed, "ok") == "ok":
                kinds[seed] = kind
        if len(kinds) != self.schedules:
            return Outcome((), done.stdout + done.stderr, f"{len(kinds)} of {self.schedules} schedules ran")
        first = re.search(r"^  (.*?)(?=^fwd_|\Z)", done.stdout, re.M | re.S)
        return Outcome(tuple(kinds.values()), first[1].rstrip() if first else "")

    def of_mutation(self, mutation: Mutation) -> Outcome:
        with tempfile.TemporaryDirectory(prefix="flashjit-mutate-") as directory:
            kernels = pathlib.Path(directory) / "kernel_src"
            shutil.copytree(KERNELS, kernels)
            path = kernels / mutation.file
            path.write_text(mutate(path.read_text(), mutation))
            return self.outcome(mutation.run, kernels)

    def of_original(self, run: Run) -> Outcome:
        return self.outcome(run, KERNELS)


def in_order(pool, function, items):
    """(item, result) in the order of `items`; the first exception ends the rest."""
    futures = [pool.submit(function, item) for item in items]
    try:
        for item, future in zip(items, futures):
            yield item, future.result()
    finally:
        for future in futures:
            future.cancel()


def judge(mutation: Mutation, outcome: Outcome) -> str:
    """"" when it went as the table says, else what is wrong."""
    if mutation.equivalent:
        return "" if outcome.clean() else "listed as equivalent, and is not"
    return "" if outcome.caught() else "SURVIVES" if not outcome.error else "proves nothing"


def select(mutations: list, arguments) -> list:
    chosen = [m for m in mutations
              if (not arguments.family or m.family in arguments.family)
              and (not arguments.only or m.name in arguments.only or m.full_name() in arguments.only)]
    if arguments.only and not chosen:
        raise TableError(f"no mutation is called {', '.join(arguments.only)}")
    if arguments.sample and arguments.sample < len(chosen):
        # From every family in turn, so that a small sample has all of them.
        order = random.Random(arguments.sample_seed)
        families = collections.defaultdict(list)
        for m in chosen:
            families[m.family].append(m)
        for members in families.values():
            order.shuffle(members)
        rounds = [m for i in range(len(chosen)) for members in families.values() for m in members[i:i + 1]]
        kept = set(rounds[:arguments.sample])
        chosen = [m for m in chosen if m in kept]
    return chosen


def run_all(chosen: list, runner: Runner, jobs: int, verbose: bool) -> int:
    start = time.monotonic()
    bad, by_kind = [], collections.Counter()
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        originals = list(dict.fromkeys(m.run for m in chosen))
        for run, outcome in in_order(pool, runner.of_original, originals):
            if not outcome.clean():
                bad.append(f"unmutated {run.variant} {' '.join(run.shapes)}: {outcome.text()}\n{outcome.message}")
                print(bad[-1], flush=True)
        print(f"unmutated: {len(originals)} runs of {runner.schedules} schedules, {len(bad)} with a finding", flush=True)
        for mutation, outcome in in_order(pool, runner.of_mutation, chosen):
            wrong = judge(mutation, outcome)
            text = "equivalent" if mutation.equivalent and not wrong else outcome.text()
            print(f"{mutation.full_name():48} {text:32} {wrong or mutation.breaks}", flush=True)
            if verbose or wrong:
                print("    " + outcome.message.replace("\n", "\n    "), flush=True)
            if wrong:
                bad.append(f"{mutation.full_name()}: {wrong}: {outcome.text()}")
            elif not mutation.equivalent:
                by_kind.update({outcome.kinds[0]: 1})
    caught, equivalent = sum(by_kind.values()), sum(bool(m.equivalent) for m in chosen)
    print(f"\n{len(chosen)} mutations, {runner.schedules} schedules each from seed {runner.seed}, "
          f"{time.monotonic() - start:.0f} s: {caught} caught in every run, {equivalent} listed as equivalent, "
          f"{len(bad)} problems")
    print("caught as: " + ", ".join(f"{kind} {n}" for kind, n in by_kind.most_common()))
    for line in bad:
        print(f"PROBLEM {line}")
    return 1 if bad else 0


def parse_arguments():
    parser = argparse.ArgumentParser(prog="./dev mutate", description=__doc__.split("\n\n")[0])
    parser.add_argument("--family", action="append", help="only of this family; may be repeated")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="N of them, from all families")
    parser.add_argument("--sample-seed", type=int, default=1, metavar="S", help="which")
    parser.add_argument("--seed", type=int, default=1, help="of the first schedule")
    parser.add_argument("--schedules", type=int, default=5, help="runs of each, all of which must catch it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--program", type=pathlib.Path, default=PROGRAM, help="emu_check")
    parser.add_argument("--cache", type=pathlib.Path, help="of compiled variants; default: beside the program")
    parser.add_argument("--list", action="store_true", help="check the tables, print them, run nothing")
    parser.add_argument("-v", "--verbose", action="store_true", help="with the report of each finding")
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    try:
        chosen = select(load_tables(), arguments)
    except (TableError, tomllib.TOMLDecodeError) as error:
        print(f"mutate.py: {error}", file=sys.stderr)
        return 2
    if arguments.list:
        for m in chosen:
            print(f"{m.full_name():48} {m.file:32} {m.breaks}")
            if m.equivalent:
                print(f"    equivalent: {m.equivalent}")
        print(f"{len(chosen)} mutations, {sum(bool(m.equivalent) for m in chosen)} of them equivalent")
        return 0
    if not arguments.program.exists():
        print(f"mutate.py: no {arguments.program}: ./dev build emu_check", file=sys.stderr)
        return 2
    cache = arguments.cache or arguments.program.parent / "mutate_cache"
    return run_all(chosen, Runner(arguments.program, cache, arguments.seed, arguments.schedules),
                   arguments.jobs, arguments.verbose)


if __name__ == "__main__":
    sys.exit(main())
