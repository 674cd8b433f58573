#!/usr/bin/env python3
"""Follows docs/write_a_variant.md: applies its edits to a copy of kernel_src and sees their effect through the program,
which is not rebuilt. Needs a host compiler, as the emulator does, and no GPU."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

kRoot = pathlib.Path(__file__).resolve().parents[2]
kCausal = "fwd_simt_fp16_d64_causal_m64n64"
kFull = "fwd_simt_fp16_d64_m64n64"


def edits():
    """The diffs of the page: [(file, text before, text after)]."""
    found = []
    for block in re.findall(r"```diff\n(.*?)```", (kRoot / "docs/write_a_variant.md").read_text(), re.S):
        header, *lines = re.split(r"\n(?=[ +-] )", block.rstrip("\n"))
        file = re.search(r"^\+\+\+ b/(\S+)", header, re.M)[1]
        before = "\n".join(line[1:] for line in lines if line[0] != "+")
        after = "\n".join(line[1:] for line in lines if line[0] != "-")
        found.append((file, before, after))
    return found


class WriteAVariant(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.kernels = pathlib.Path(self.folder.name, "my_kernels")
        shutil.copytree(kRoot / "kernel_src", self.kernels)

    def run_program(self, *arguments, edited=False):
        environment = {**os.environ, "FLASHJIT_CACHE_DIR": self.folder.name + "/cache"}
        environment.pop("FLASHJIT_KERNEL_DIR", None)
        if edited:
            environment["FLASHJIT_KERNEL_DIR"] = str(self.kernels)
        run = subprocess.run([os.environ["FLASHJIT_PROGRAM"], *arguments], env=environment, capture_output=True,
                             text=True, timeout=600)
        self.assertIn(run.returncode, (0, 1), run.stderr)
        return json.loads(run.stdout)

    def apply(self, file):
        for name, before, after in edits():
            if name == file:
                text = (self.kernels / name).read_text()
                self.assertEqual(text.count(before), 1, f"{name} has not the lines that the page shows")
                (self.kernels / name).write_text(text.replace(before, after))

    def keys(self):
        return {(e["variant"], e["key"]) for e in self.run_program("cache", "list", "--json")["entries"]}

    def check(self, shape, edited, variant=kCausal):
        return self.run_program("check", variant, "--arch", "sm_80", "--schedules", "2", "--shape", shape, "--json",
                                edited=edited)["check"]

    def test_the_page_has_two_edits(self):
        self.assertEqual([edit[0] for edit in edits()], ["simt/fwd_kernel.cuh", "attention/mask.cuh"])

    def test_a_mask(self):
        self.assertTrue(self.check("1,96,96,1,1", edited=False)["ok"])
        original = self.keys()
        self.assertTrue(self.check("1,96,96,1,1", edited=True)["ok"])
        self.assertEqual(self.keys(), original, "an unedited copy is the same text")
        self.apply("attention/mask.cuh")
        found = self.check("1,96,96,1,1", edited=True)
        self.assertEqual((found["ok"], found["kind"]), (False, "wrong"))
        self.assertTrue(self.check("1,1,96,1,1", edited=True)["ok"])
        self.assertEqual(len(self.keys() - original), 1, "the digest changed")
        self.assertTrue(self.check("1,96,96,1,1", edited=False)["ok"], "the program is what it was")

    def test_only_what_includes_the_file_changes(self):
        self.assertTrue(self.check("1,64,64,1,1", edited=True, variant="fwd_sm80_fp16_d64_m64n64s2")["ok"])
        before = self.keys()
        self.apply("simt/fwd_kernel.cuh")
        self.assertTrue(self.check("1,64,64,1,1", edited=True, variant="fwd_sm80_fp16_d64_m64n64s2")["ok"])
        self.assertEqual(self.keys(), before)

    def test_a_mark(self):
        def share_of_scores(edited):
            rows = self.run_program("profile", kFull, "--batch", "1", "--heads", "1", "--seqlen", "64", "--backend", "emulated",
                                    "--out", self.folder.name + "/trace.json", "--json", edited=edited)["stages"]
            return sum(row["QKᵀ"] or 0 for row in rows) / len(rows)

        with_barrier = share_of_scores(edited=True)
        self.apply("simt/fwd_kernel.cuh")
        self.assertLess(share_of_scores(edited=True), with_barrier / 2)


if __name__ == "__main__":
    unittest.main()
