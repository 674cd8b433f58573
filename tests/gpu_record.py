#!/usr/bin/env python3
"""Runs the GPU tests and writes tests/gpu_record.json; with --check, tells whether that record is of these sources.

The record is how a machine without a GPU (CI) knows that somebody ran the GPU tests on the very sources it has: it
carries the SHA-256 of kernel_src/ and runtime/. A record of other sources fails the check, unless it says
"pending": "<why it was not run again>".
"""
import argparse
import datetime
import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
RECORD = ROOT / "tests" / "gpu_record.json"
DIGESTED = ("kernel_src", "runtime")
SKIPPED = 77  # exit code of a test that this GPU cannot run, which says why
SANITIZED_TAG = "[sanitizer]"  # small shapes: racecheck is a hundred times slower than the kernel
FIELDS = {"device": str, "date": str, "driver": str, "cuda": str, "sources_digest": str, "tests_run": int,
          "tests_failed": int, "memcheck": str, "racecheck": str}


def sources_digest(root: pathlib.Path = ROOT) -> str:
    """SHA-256 over path and content of every file below kernel_src/ and runtime/, in the order of the paths."""
    digest = hashlib.sha256()
    files = (f for folder in DIGESTED for f in (root / folder).rglob("*") if f.is_file())
    for path in sorted(f.relative_to(root).as_posix() for f in files):
        content = (root / path).read_bytes()
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def check(path: pathlib.Path = RECORD) -> int:
    if not path.exists():
        print(f"gpu-record: {path.name} is missing: run ./dev test --gpu on a machine with a GPU")
        return 1
    record = json.loads(path.read_text())
    wrong = [name for name, kind in FIELDS.items() if not isinstance(record.get(name), kind)]
    if wrong:
        print(f"gpu-record: fields missing or of the wrong type: {', '.join(wrong)}")
        return 1
    what = f"{record['device']}, {record['date']}: {record['tests_run']} tests, {record['tests_failed']} failed"
    stale = record["sources_digest"] != sources_digest()
    if stale and not record.get("pending"):
        print(f"gpu-record: STALE, of other sources ({what}). Run ./dev test --gpu on a machine with a GPU, or give "
              "the record a \"pending\" reason")
        return 1
    if not stale and (record["tests_failed"] or {record["memcheck"], record["racecheck"]} != {"clean"}):
        print(f"gpu-record: of these sources, with failures ({what}; memcheck {record['memcheck']}, racecheck "
              f"{record['racecheck']})")
        return 1
    print(f"gpu-record: {'pending: ' + record['pending'] if stale else 'fresh'} ({what})")
    return 0


def write(record: dict, path: pathlib.Path) -> None:
    path.write_text(json.dumps(record, indent=2) + "\n")


def output_of(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return ""


def describe_device() -> dict:
    smi = output_of("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader").splitlines()
    if not smi:
        sys.exit("gpu-record: no GPU here (nvidia-smi found none)")
    name, driver = (part.strip() for part in smi[0].split(","))
    library = os.environ.get("FLASHJIT_LIBNVRTC") or "libnvrtc.so.13"
    cuda = output_of(sys.executable, "-c", "import ctypes,sys; a,b=ctypes.c_int(),ctypes.c_int(); "
                     "ctypes.CDLL(sys.argv[1]).nvrtcVersion(ctypes.byref(a),ctypes.byref(b)); "
                     "print(f'{a.value}.{b.value}')", library).strip()
    return {"device": name, "date": datetime.date.today().isoformat(), "driver": driver, "cuda": cuda}


def gpu_programs(build: str) -> list:
    """[(name, command, working directory, environment)] of the tests that ctest labels `gpu`."""
    listing = json.loads(output_of("ctest", "--test-dir", build, "-L", "gpu", "--show-only=json-v1") or "{}")
    programs = []
    for test in listing.get("tests", []):
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        environment = dict(pair.split("=", 1) for pair in properties.get("ENVIRONMENT", []))
        programs.append((test["name"], test["command"], properties.get("WORKING_DIRECTORY", build), environment))
    return programs


def is_catch(command: list) -> bool:
    return pathlib.Path(command[0]).name.endswith("_tests")


def run_program(name: str, command: list, folder: str, environment: dict) -> tuple:
    """(tests run, tests failed); a Catch2 program counts its sections, any other counts as one test."""
    print(f"== {name}", flush=True)
    environment = {**os.environ, **environment}
    start = time.monotonic()
    if not is_catch(command):
        status = subprocess.run(command, cwd=folder, env=environment, check=False).returncode
        return int(status != SKIPPED), int(status not in (0, SKIPPED))
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        status = subprocess.run([*command, "-r", "junit", "-o", report.name], cwd=folder, env=environment,
                                check=False).returncode
        try:
            cases = list(ElementTree.parse(report.name).iter("testcase"))
        except ElementTree.ParseError:  # it crashed before the report was complete
            cases = []
    failed = [c for c in cases if c.find("failure") is not None or c.find("error") is not None]
    for case in failed:
        reason = (case.find("failure") if case.find("failure") is not None else case.find("error"))
        text = (reason.text or reason.get("message") or "").strip()
        print(f"FAILED {case.get('classname')} / {case.get('name')}\n{text}")
    failures = max(len(failed), int(status != 0))
    print(f"   {len(cases)} run, {failures} failed, {time.monotonic() - start:.0f} s", flush=True)
    return max(len(cases), failures), failures


def run_limited(command: list, folder: str, environment: dict, limit: float) -> tuple:
    """(exit status, what it printed); the status is None where `limit` seconds were not enough: then it and all that it
    had started are killed."""
    with tempfile.TemporaryFile("w+") as output:  # no pipe: who waits for a GPU may outlive SIGKILL and keep it open
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT,
                                   start_new_session=True)
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            status = None
        output.seek(0)
        return status, output.read()


def sanitize(tool: str, programs: list, limit: float) -> str:
    """`clean`, or what compute-sanitizer found, or why it did not run."""
    sanitizer = next((p for p in ("compute-sanitizer", "/usr/local/cuda/bin/compute-sanitizer")
                      if output_of(p, "--version")), None)
    if not sanitizer:
        return "not run: no compute-sanitizer here"
    errors = endless = ran = 0
    for name, command, folder, environment in programs:
        if not is_catch(command) or SANITIZED_TAG not in output_of(command[0], "--list-tags"):
            continue
        print(f"== compute-sanitizer {tool}: {name}", flush=True)
        start = time.monotonic()
        status, output = run_limited([sanitizer, "--tool", tool, "--error-exitcode", "99", *command, SANITIZED_TAG,
                                      "--durations", "yes"], folder, {**os.environ, **environment}, limit)
        took = f"{tool}: {time.monotonic() - start:.0f} s"
        if status is None:
            took += f", killed: it had not ended in {limit:.0f} s"
        summary = re.findall(r"(?:ERROR|RACECHECK) SUMMARY:.*", output)
        lines = summary if status == 0 else output.splitlines()[-200:]
        print("\n".join([*lines, f"   {took}"]), flush=True)
        ran += 1
        endless += status is None
        errors += status != 0 or not summary
    if not ran:
        return f"not run: no test has the tag {SANITIZED_TAG}"
    if endless:
        return f"{endless} of {ran} programs did not end in {limit:.0f} s"
    return "clean" if not errors else f"{errors} of {ran} programs with findings"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only compare the record with the sources")
    parser.add_argument("--pending", metavar="REASON",
                        help="mark the record, of other sources by now, as to be run again for this reason")
    parser.add_argument("--digest", action="store_true", help="only print the digest of the sources")
    parser.add_argument("--build", default="build/release", help="build directory (default: %(default)s)")
    parser.add_argument("--no-sanitizer", action="store_true", help="leave compute-sanitizer out")
    parser.add_argument("--limit", type=float, default=300, metavar="SECONDS",
                        help="a sanitizer that takes longer is killed and told of (default: %(default)s)")
    parser.add_argument("--out", type=pathlib.Path, default=RECORD)
    arguments = parser.parse_args()
    if arguments.digest:
        print(sources_digest())
        return 0
    if arguments.pending:
        record = json.loads(arguments.out.read_text()) | {"pending": arguments.pending}
        write(record, arguments.out)
        return check(arguments.out)
    if arguments.check:
        return check(arguments.out)
    record = describe_device() | {"sources_digest": sources_digest()}
    programs = gpu_programs(arguments.build)
    if not programs:
        sys.exit(f"gpu-record: {arguments.build} has no test labelled gpu")
    results = [run_program(*program) for program in programs]
    record["tests_run"] = sum(r[0] for r in results)
    record["tests_failed"] = sum(r[1] for r in results)
    tools = ("memcheck", "racecheck")
    record |= dict.fromkeys(tools, "not run")
    write(record, arguments.out)  # also for whoever ends this before the sanitizers do
    if not arguments.no_sanitizer:  # one after the other: side by side one of two did not end once
        for tool in tools:
            record[tool] = sanitize(tool, programs, arguments.limit)
            write(record, arguments.out)
    print(json.dumps(record, indent=2))
    print(f"{record['tests_run'] - record['tests_failed']} passed, {record['tests_failed']} failed")
    bad = [tool for tool in tools if record[tool] != "clean" and not record[tool].startswith("not run")]
    return int(record["tests_failed"] > 0 or bool(bad))


if __name__ == "__main__":
    sys.exit(main())
