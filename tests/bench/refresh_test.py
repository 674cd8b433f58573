#!/usr/bin/env python3
"""bench/refresh.sh with a flashjit of ours: which files it writes, and that a step that fails costs itself alone."""
import os
import pathlib
import stat
import subprocess
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "bench" / "refresh.sh"
OURS = "compile tuning tuned ladder agreement preload start host"  # those that need neither PyTorch nor a profiler

FLASHJIT = """#!/bin/sh
echo "$*" >>"{folder}/calls"
case "$*" in *--ladder*) [ {ladder_status} = 0 ] || exit {ladder_status} ;; esac
case "$*" in
  "tune --grid --out "*) mkdir -p "$4" && echo >>"$4/one" && echo "{{}}"; exit ;;
  "tune --export "*) [ -e "$5/one" ] && echo "{{}}" >"$3"; exit ;;
  "tune --compare "*) [ "$(cat "$3/one" "$4/one" | wc -l)" = 2 ] && echo "{{}}"; exit ;;
  *--tuned-grid*) [ -e "$FLASHJIT_CACHE_DIR/tuning/one" ] || exit 1 ;;
esac
file=
for word; do
  case $file in next) file=$word ;; esac
  case $word in --out) file=next ;; esac
done
echo "{{}}" >"${{file:-/dev/stdout}}"
"""


class Refresh(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_script(self, *arguments, steps=OURS, ladder_status=0):
        program = self.folder / "flashjit"
        program.write_text(FLASHJIT.format(folder=self.folder, ladder_status=ladder_status))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return subprocess.run([SCRIPT, *arguments], env={**os.environ, "FLASHJIT_PROGRAM": str(program), "STEPS": steps},
                              capture_output=True, text=True, check=False)

    def test_every_step_writes_its_file(self):
        done = self.run_script("h999", self.folder / "out")
        self.assertEqual(done.returncode, 0, done.stderr)
        files = {p.relative_to(self.folder / "out").as_posix() for p in (self.folder / "out").rglob("*.json")}
        self.assertEqual(files, {"records/h999.json"} |
                         {f"h999_{what}.json" for what in ("compile", "tuning", "tuned", "ladder", "tuning_agreement",
                                                           "preload", "start", "host")})

    def test_a_step_that_fails_is_named_and_the_others_run(self):
        done = self.run_script("h999", self.folder / "out", ladder_status=3)
        self.assertEqual(done.returncode, 1)
        self.assertIn("failed: ladder\n", done.stderr)
        self.assertIn("bench-start", (self.folder / "calls").read_text())

    def test_without_a_name_it_says_how(self):
        done = self.run_script()
        self.assertEqual(done.returncode, 2)
        self.assertIn("bench/refresh.sh NAME [FOLDER]", done.stderr)


if __name__ == "__main__":
    unittest.main()
