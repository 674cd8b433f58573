#!/usr/bin/env python3
"""gpu_record.py without a GPU: the digest, the verdicts of --check, and what is counted of a test program."""
import contextlib
import io
import json
import os
import pathlib
import stat
import tempfile
import time
import unittest
from unittest import mock

import gpu_record

GOOD = {"device": "d", "date": "2026-01-01", "driver": "1", "cuda": "13.0", "sources_digest": "now", "tests_run": 3,
        "tests_failed": 0, "memcheck": "clean", "racecheck": "clean"}
JUNIT = '''<testsuites><testsuite><testcase name="a"/><testcase name="b"><failure message="no">x</failure></testcase>
</testsuite></testsuites>'''


class Digest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)
        for path, text in {"kernel_src/a.h": "1", "runtime/b.cpp": "2", "tests/c.cpp": "3"}.items():
            (self.root / path).parent.mkdir(exist_ok=True)
            (self.root / path).write_text(text)

    def test_follows_content_and_path_of_the_digested_folders_only(self):
        before = gpu_record.sources_digest(self.root)
        (self.root / "tests/c.cpp").write_text("changed")
        self.assertEqual(gpu_record.sources_digest(self.root), before)
        (self.root / "runtime/b.cpp").rename(self.root / "runtime/d.cpp")
        renamed = gpu_record.sources_digest(self.root)
        self.assertNotEqual(renamed, before)
        (self.root / "kernel_src/a.h").write_text("changed")
        self.assertNotEqual(gpu_record.sources_digest(self.root), renamed)


class Check(unittest.TestCase):
    def verdict(self, **changes):
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(gpu_record, "sources_digest", lambda: "now"):
            path = pathlib.Path(folder) / "record.json"
            record = {name: value for name, value in (GOOD | changes).items() if value is not None}
            path.write_text(json.dumps(record))
            return gpu_record.check(path)

    def test_fresh_and_clean_passes(self):
        self.assertEqual(self.verdict(), 0)

    def test_stale_fails_unless_pending(self):
        self.assertEqual(self.verdict(sources_digest="old"), 1)
        self.assertEqual(self.verdict(sources_digest="old", pending=""), 1)
        self.assertEqual(self.verdict(sources_digest="old", pending="no GPU today"), 0)

    def test_failures_and_findings_fail(self):
        self.assertEqual(self.verdict(tests_failed=1), 1)
        self.assertEqual(self.verdict(racecheck="1 of 2 programs with findings"), 1)
        self.assertEqual(self.verdict(memcheck="not run"), 1)

    def test_an_incomplete_or_missing_record_fails(self):
        self.assertEqual(self.verdict(driver=None), 1)
        self.assertEqual(gpu_record.check(pathlib.Path("/nonexistent")), 1)


class Programs(unittest.TestCase):
    def test_are_what_ctest_would_run_and_with_its_environment(self):
        tests = [{"name": "a", "command": ["a_tests"], "properties": [{"name": "LABELS", "value": ["gpu"]}]},
                 {"name": "b", "command": ["python3", "b.py"],
                  "properties": [{"name": "ENVIRONMENT", "value": ["PROGRAM=/x", "FLAGS=a=b"]},
                                 {"name": "WORKING_DIRECTORY", "value": "/tests"}]}]
        with mock.patch.object(gpu_record, "output_of", lambda *_: json.dumps({"tests": tests})):
            programs = gpu_record.gpu_programs("build")
        self.assertEqual(programs, [("a", ["a_tests"], "build", {}),
                                    ("b", ["python3", "b.py"], "/tests", {"PROGRAM": "/x", "FLAGS": "a=b"})])


class RunProgram(unittest.TestCase):
    def run_script(self, name, text):
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder) / name
            program.write_text(f"#!/bin/sh\n{text}\n")
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
            return gpu_record.run_program(name, [str(program)], folder, {"TOLD": "yes"})

    def test_sections_of_a_catch_program_are_counted(self):
        self.assertEqual(self.run_script("x_tests", f"cat >\"$4\" <<'X'\n{JUNIT}\nX\nexit 1"), (2, 1))

    def test_a_crash_is_a_failure(self):
        self.assertEqual(self.run_script("x_tests", "kill -9 $$"), (1, 1))

    def test_any_other_program_is_one_test(self):
        self.assertEqual(self.run_script("demo", "exit 0"), (1, 0))
        self.assertEqual(self.run_script("demo", "exit 3"), (1, 1))
        self.assertEqual(self.run_script("demo", "exit 77"), (0, 0), "skipped")

    def test_a_program_gets_its_environment_beside_ours(self):
        self.assertEqual(self.run_script("demo", 'test "$TOLD" = yes -a -n "$PATH"'), (1, 0))
        catch = f"test \"$TOLD\" = yes && cat >\"$4\" <<'X'\n{JUNIT}\nX\nexit 1"
        self.assertEqual(self.run_script("x_tests", catch), (2, 1))


class Sanitize(unittest.TestCase):
    """A compute-sanitizer of ours in front of a program of ours."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.printed = io.StringIO()

    def script(self, name, text):
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    def verdict(self, tool, limit=60.0):
        self.script("compute-sanitizer", f"[ $1 = --version ] && echo 1 && exit\n{tool}")
        program = self.script("x_tests", "echo '[sanitizer]'")
        with mock.patch.dict(os.environ, {"PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}"}), \
                contextlib.redirect_stdout(self.printed):
            return gpu_record.sanitize("racecheck", [("x", [program], str(self.folder), {})], limit)

    def test_without_findings_it_is_clean(self):
        self.assertEqual(self.verdict("echo RACECHECK SUMMARY: 0 hazards displayed"), "clean")
        self.assertIn("0 hazards", self.printed.getvalue())

    def test_findings_and_silence_are_not(self):
        self.assertEqual(self.verdict("echo a hazard; echo RACECHECK SUMMARY: 1 hazard; exit 99"),
                         "1 of 1 programs with findings")
        self.assertIn("a hazard", self.printed.getvalue())
        self.assertEqual(self.verdict("exit 0"), "1 of 1 programs with findings", "no summary")

    def test_what_does_not_end_is_killed_with_its_children_and_tells_how_far_it_came(self):
        endless = f"echo the first test passed; sleep 600 & echo $! >{self.folder}/child; wait"
        self.assertEqual(self.verdict(endless, limit=1), "1 of 1 programs did not end in 1 s")
        self.assertIn("the first test passed", self.printed.getvalue())
        child = pathlib.Path(f"/proc/{(self.folder / 'child').read_text().strip()}/stat")
        for _ in range(100):  # until the system has ended it
            if not child.exists() or child.read_text().split()[2] == "Z":
                break
            time.sleep(0.1)
        else:
            self.fail("what it had started lives on")


if __name__ == "__main__":
    unittest.main()
