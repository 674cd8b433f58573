#!/usr/bin/env python3
"""Follows docs/write_a_variant.md: applies its edits to a copy of kernel_src and sees their effect through the program,
which is not rebuilt. Needs a host compiler, as the emulator does, and no GPU."""
import json
import re
import unittest

from edited_kernels import EditedKernels, diffs, kRoot

kEdits = diffs("write_a_variant.md")
kCausal = "fwd_simt_fp16_d64_causal_m64n64"
kFull = "fwd_simt_fp16_d64_m64n64"


class WriteAVariant(EditedKernels):
    def document(self, *arguments, edited=False):
        run = self.run_program(*arguments, "--json", edited=edited)
        self.assertIn(run.returncode, (0, 1), run.stderr)
        return json.loads(run.stdout)

    def apply(self, file):
        for edit in kEdits:
            if edit[0] == file:
                self.edit(*edit)

    def keys(self):
        return {(e["variant"], e["key"]) for e in self.document("cache", "list")["entries"]}

    def check(self, shape, edited, variant=kCausal):
        return self.document("check", variant, "--arch", "sm_80", "--schedules", "2", "--shape", shape,
                             edited=edited)["check"]

    def test_the_page_has_two_edits(self):
        self.assertEqual([edit[0] for edit in kEdits], ["simt/fwd_kernel.cuh", "attention/mask.cuh"])

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

    def test_profile_prints_what_the_page_shows(self):
        page = (kRoot / "docs/write_a_variant.md").read_text()
        samples = re.findall(r"^    \$ .*flashjit (profile .*)\n((?: {6}.*\n)+)", page, re.M)
        self.assertEqual(len(samples), 2)
        command = samples[0][0].split()  # the second stands there shortened
        for edited, (_, lines) in zip((False, True), samples):
            if edited:
                self.apply("simt/fwd_kernel.cuh")
            with self.subTest(edited=edited):
                printed = self.run_program(*command, edited=edited).stdout.splitlines()
                shown = [line.removeprefix("    ") for line in lines.splitlines()]
                self.assertEqual(shown[-1], "  …")
                self.assertEqual([line for line in shown[:-1] if line not in printed], [])

    def test_a_mark(self):
        def share_of_scores(edited):
            rows = self.document("profile", kFull, "--batch", "1", "--heads", "1", "--seqlen", "64", "--backend", "emulated",
                                 "--out", str(self.folder / "trace.json"), edited=edited)["stages"]
            return sum(row["QKᵀ"] or 0 for row in rows) / len(rows)

        with_barrier = share_of_scores(edited=True)
        self.apply("simt/fwd_kernel.cuh")
        self.assertLess(share_of_scores(edited=True), with_barrier / 2)


if __name__ == "__main__":
    unittest.main()
