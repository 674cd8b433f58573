#!/usr/bin/env python3
"""`flashjit check`: its exit codes for every kernel family, and the planted bugs of docs/emulator.md, of which it prints
what the page shows. Faults come from the mutation suite's tables. Needs a host compiler and no GPU."""
import json
import re
import shutil
import sys
import unittest

from edited_kernels import EditedKernels, diffs, kRoot

sys.path.insert(0, str(kRoot / "emulator"))
import mutate  # noqa: E402

kClang = next(filter(shutil.which, (f"clang++-{version}" for version in range(16, 24))), None)

# Of each family a fault that is a race between two lines.
kRaces = ("sm90/k-full-wait-removed", "sm80/ring-meet-removed", "simt/barrier-1-removed", "standard/fp32-step-meet-removed")


def bugs_of_the_page():
    """[((file, text before, text after), command, output)] of docs/emulator.md."""
    page = (kRoot / "docs/emulator.md").read_text()
    shown = re.findall(r"```console\n\$ FLASHJIT_KERNEL_DIR=my_kernels flashjit (.*?)\n(.*?)```", page, re.S)
    edits = diffs("emulator.md")
    assert len(edits) == len(shown)
    return [(edit, *run) for edit, run in zip(edits, shown)]


def without_time(text):
    return re.sub(r"(processor time +).*", r"\1", text).strip()


class Check(EditedKernels):
    def check(self, *arguments, edited=True, **environment):
        return self.run_program("check", *arguments, edited=edited, **environment)

    def plant(self, fault):
        file = self.kernels / fault.file
        file.write_text(mutate.mutate(file.read_text(), fault))

    def test_prints_what_the_page_shows(self):
        bugs = bugs_of_the_page()
        self.assertEqual(len(bugs), 2)
        for edit, command, output in bugs:
            with self.subTest(edit[0]):
                self.edit(*edit)
                run = self.check(*command.split()[1:])
                self.restore(edit[0])
                self.assertEqual(run.returncode, 1)
                self.assertEqual(without_time(run.stdout), without_time(output))

    def test_exit_codes_of_every_family(self):
        tables = {m.full_name(): m for m in mutate.load_tables()}
        for name in kRaces:
            with self.subTest(name):
                fault = tables[name]
                arguments = (fault.run.variant, "--shape", fault.run.shapes[0], "--schedules", "2")
                clean = self.check(*arguments)
                self.assertEqual((clean.returncode, clean.stderr), (0, ""))
                self.assertRegex(clean.stdout, r"result +no finding\n")
                self.plant(fault)
                found = self.check(*arguments)
                self.restore(fault.file)
                self.assertEqual((found.returncode, found.stderr), (1, ""))
                self.assertRegex(found.stdout, r"result +FOUND: race\n")
                self.assertRegex(found.stdout, r"smem\+\d+ \(\w+\+\d+\) is (read|written) by .*warp \d+.* without order "
                                               r"after the (read|write) by .*(warp \d+|mbarrier #\d+).* at \w+\.cuh:\d+")
                self.assertRegex(found.stdout, r"\n  at \w+\.cuh:\d+, thread \d+ of warp \d+.*, lane \d+\n"
                                               r"  in CTA \(0, 0, 0\) of the schedule with seed 1\n")

    def test_the_note_below_a_report_repeats_it(self):
        fault = {m.full_name(): m for m in mutate.load_tables()}[kRaces[2]]
        self.plant(fault)
        first = self.check(fault.run.variant, "--shape", fault.run.shapes[0], "--seed", "5")
        again = self.repeating(first)
        self.assertEqual(again[-4:], ["--seed", "5", "--schedules", "1"])
        self.assertEqual(without_time(self.check(*again).stdout), without_time(first.stdout))

    def repeating(self, run):
        """The arguments of the command that repeats the finding, which names the edited sources."""
        return re.search(r"`FLASHJIT_KERNEL_DIR=my_kernels flashjit check (.*?)` repeats it", " ".join(run.stdout.split()))[1].split()

    def test_bank_conflicts_are_separated_and_repeated_with_their_detector(self):
        self.plant({m.full_name(): m for m in mutate.load_tables()}["tile/swizzle-none"])
        arguments = ("fwd_sm80_bf16_d64_m64n64s2", "--shape", "1,64,64,1,1", "--schedules", "1", "--detectors", "races,banks")
        first = self.check(*arguments)
        self.assertEqual((first.returncode, first.stderr), (1, ""))
        self.assertRegex(first.stdout, r"stmatrix: \d+ at \w+\.cuh:\d+, \d+ at \w+\.cuh:\d+")
        again = self.repeating(first)
        self.assertIn("races,banks", again)
        self.assertEqual(without_time(self.check(*again).stdout), without_time(first.stdout))

    def test_what_is_wrong_is_in_the_largest_error(self):
        self.edit("simt/fwd_kernel.cuh", "const float scale = params.softmax_scale_log2;",
                  "const float scale = 2 * params.softmax_scale_log2;")
        run = self.check("fwd_simt_fp16_d64_m64n64", "--shape", "1,64,64,1,1", "--json")
        check = json.loads(run.stdout)["check"]
        self.assertEqual((run.returncode, check["kind"]), (1, "wrong"))
        self.assertGreater(check["worst_o"], 0.1)

    def test_edited_sources_are_named(self):
        arguments = ("fwd_simt_fp16_d64_m64n64", "--shape", "1,64,64,1,1", "--schedules", "1")
        self.assertRegex(self.check(*arguments).stdout, r"kernel sources +my_kernels \(FLASHJIT_KERNEL_DIR\)")
        self.assertNotIn("kernel sources", self.check(*arguments, edited=False).stdout)

    def test_a_wrong_argument_is_2_and_says_what_would_be_right(self):
        variant = "fwd_simt_fp16_d64_m64n64"
        for arguments, said in ((["fwd_simt_fp16_d64_m64n65"], "fwd_simt_fp16_d64_m"),
                                ([variant, "--shape", "1,2,3"], "5"),
                                ([variant, "--schedules", "0"], "1"),
                                (["fwd_sm80_fp16_d64_m64n64s2_profile"], "flashjit profile"),
                                ([variant, "--detectors", "race"], "races"), ([], "VARIANT")):
            with self.subTest(arguments):
                run = self.check(*arguments, edited=False)
                self.assertEqual((run.returncode, run.stdout), (2, ""))
                self.assertIn(said, run.stderr)

    @unittest.skipUnless(kClang, "no clang++ 16 or newer here")
    def test_clang_finds_the_same(self):
        fault = {m.full_name(): m for m in mutate.load_tables()}[kRaces[0]]
        self.plant(fault)
        arguments = (fault.run.variant, "--shape", fault.run.shapes[0], "--schedules", "1")
        by_clang, by_gcc = (self.check(*arguments, FLASHJIT_HOST_CXX=name) for name in (kClang, "g++"))
        self.assertEqual((by_clang.returncode, by_clang.stderr), (1, ""))
        self.assertEqual(without_time(by_clang.stdout), without_time(by_gcc.stdout))
        for name in kRaces:
            other = {m.full_name(): m for m in mutate.load_tables()}[name].run
            run = self.check(other.variant, "--shape", other.shapes[0], "--schedules", "2", edited=False,
                             FLASHJIT_HOST_CXX=kClang)
            self.assertEqual((run.returncode, run.stderr), (0, ""), name)

    def test_without_a_compiler_it_is_1_and_says_what_to_install(self):
        for compiler in ("no-such-compiler", "/bin/false"):
            run = self.check("fwd_simt_fp16_d64_m64n64", "--json", edited=False, FLASHJIT_HOST_CXX=compiler)
            self.assertEqual(run.returncode, 1)
            error = json.loads(run.stdout)["error"]
            self.assertEqual(error["code"], "no_compiler")
            for part in (compiler, "apt-get install g++", "FLASHJIT_HOST_CXX"):
                self.assertIn(part, error["message"])

    def test_an_old_clang_is_told_apart_from_a_bug(self):
        compiler = self.folder / "clang++"
        compiler.write_text("#!/bin/sh\necho 'Some clang version 15.0.7 (1)'\n")
        compiler.chmod(0o755)
        run = self.check("fwd_simt_fp16_d64_m64n64", edited=False, FLASHJIT_HOST_CXX=str(compiler))
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertIn("no_compiler: Some clang version 15.0.7 (1) is too old", run.stderr)

    def test_what_does_not_compile_is_1_and_names_the_line(self):
        file = "simt/fwd_kernel.cuh"
        self.edit(file, "\n    compute_scores();\n", "\n    compute_score();\n")
        at = (self.kernels / file).read_text().split("\n").index("    compute_score();")
        run = self.check("fwd_simt_fp16_d64_m64n64")
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertIn("compile_failed", run.stderr)
        self.assertRegex(run.stderr, rf"simt/fwd_kernel\.cuh:{at + 1}:.*compute_score\b")


if __name__ == "__main__":
    unittest.main()
