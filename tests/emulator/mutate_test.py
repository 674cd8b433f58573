#!/usr/bin/env python3
"""emulator/mutate.py without the emulator: the tables fit the kernels, and nothing but findings counts as a catch."""
import pathlib
import stat
import sys
import tempfile
import types
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "emulator"))
import mutate  # noqa: E402

TABLE = '''
[defaults]
variant = "fwd_simt_fp16_d64_causal_lse_m64n64"
shapes = ["1,150,170,2,1"]
[[mutation]]
name = "a"
file = "x.cuh"
breaks = "everything"
old = "one"
new = "two"
'''


def mutation(**changes):
    fields = dict(family="simt", name="a", file="x.cuh", breaks="", old="one", new="two",
                  run=mutate.Run("fwd_x", ("1,2,3,4,5",), False), row="", equivalent="")
    return mutate.Mutation(**{**fields, **changes})


class Tables(unittest.TestCase):
    def load(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "simt.toml"
            path.write_text(text)
            return mutate.load_table(path)

    def test_fit_the_kernels(self):
        self.assertEqual(mutate.check_tables([m for p in mutate.TABLES.glob("*.toml") for m in mutate.load_table(p)]), [])

    def test_every_equivalent_mutation_has_an_argument_and_every_barrier_a_fault(self):
        self.assertEqual(len(mutate.barrier_rows()), 8)
        for m in mutate.load_tables():
            self.assertTrue(not m.equivalent or len(m.equivalent) > 30, m.full_name())

    def test_defaults_fill_in_and_the_name_of_the_file_is_the_family(self):
        [loaded] = self.load(TABLE)
        self.assertEqual((loaded.family, loaded.run.shapes, loaded.run.banks), ("simt", ("1,150,170,2,1",), False))

    def test_a_mistyped_or_missing_key_is_an_error(self):
        for text in (TABLE + 'shape = "1"\n', TABLE.replace('breaks = "everything"\n', "")):
            with self.assertRaises(mutate.TableError):
                self.load(text)

    def test_old_text_must_stand_there_exactly_once(self):
        self.assertEqual(mutate.mutate("zero one three", mutation()), "zero two three")
        for text in ("zero three", "one one"):
            with self.assertRaisesRegex(mutate.TableError, "not once"):
                mutate.mutate(text, mutation())
        with self.assertRaises(mutate.TableError):
            mutate.mutate("one", mutation(new="one"))

    def test_rot_is_told(self):
        errors = "\n".join(mutate.check_tables([mutation(file="sm90/gemm.cuh", old="no such text")] * 2))
        for part in ("stands 0 times in sm90/gemm.cuh", "simt/a stands 2 times in the tables",
                     "no mutation of the row q_empty"):
            self.assertIn(part, errors)

    def test_an_equivalent_mutation_does_not_cover_a_barrier(self):
        rows = ", ".join(mutate.barrier_rows())
        self.assertNotIn("no mutation of the row", "\n".join(mutate.check_tables([mutation(row=rows)])))
        self.assertIn("no mutation of the row",
                      "\n".join(mutate.check_tables([mutation(row=rows, equivalent="because")])))


class Judgement(unittest.TestCase):
    def test_only_a_finding_in_every_schedule_is_a_catch(self):
        caught, half, clean = (mutate.Outcome(kinds) for kinds in (("race", "wrong"), ("race", "ok"), ("ok", "ok")))
        broken = mutate.Outcome((), error="does not compile")
        self.assertEqual(mutate.judge(mutation(), caught), "")
        for outcome in (half, clean, broken):
            self.assertTrue(mutate.judge(mutation(), outcome))
        self.assertEqual(mutate.judge(mutation(equivalent="because"), clean), "")
        for outcome in (half, caught, broken):
            self.assertTrue(mutate.judge(mutation(equivalent="because"), outcome))

    def outcome_of(self, text, exit_code, schedules=2):
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder) / "emu_check"
            program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {exit_code}\n")
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
            return mutate.Runner(program, pathlib.Path(folder), 1, schedules).of_original(mutation().run)

    def test_reads_what_emu_check_prints(self):
        lines = ("fwd_x b1 q2 kv3 h4/5 seed 1: ok, 1 schedules\nfwd_x b1 q2 kv3 h4/5 seed 2: race, 1 schedules\n"
                 "  two threads\n    at a.cuh:1\nfwd_x b1 q9 kv9 h4/5 seed 1: wrong, 1 schedules\n  O is 1\n"
                 "fwd_x b1 q9 kv9 h4/5 seed 2: ok, 1 schedules")
        outcome = self.outcome_of(lines, 1)
        self.assertEqual((outcome.kinds, outcome.error), (("wrong", "race"), ""))
        self.assertEqual(outcome.message, "two threads\n    at a.cuh:1")
        self.assertTrue(self.outcome_of("fwd_x b1 q2 kv3 h4/5 seed 1: ok, 1 schedules", 0, schedules=1).clean())

    def test_what_did_not_run_proves_nothing(self):
        line = "fwd_x b1 q2 kv3 h4/5 seed 1: race, 1 schedules"
        for text, exit_code in ((line, 1), ("x.cuh:1: error", 3), (line, 139), ("", 0)):
            outcome = self.outcome_of(text, exit_code)
            self.assertTrue(outcome.error, (text, exit_code))
            self.assertFalse(outcome.caught() or outcome.clean())


class Selection(unittest.TestCase):
    def select(self, **changes):
        arguments = dict(family=None, only=None, sample=0, sample_seed=1)
        return mutate.select(mutate.load_tables(), types.SimpleNamespace(**{**arguments, **changes}))

    def test_a_sample_has_all_families_and_is_the_same_every_time(self):
        sample = self.select(sample=12)
        self.assertEqual(len(sample), 12)
        self.assertEqual({m.family for m in sample}, {m.family for m in self.select()})
        self.assertEqual(sample, self.select(sample=12))
        self.assertNotEqual(sample, self.select(sample=12, sample_seed=2))

    def test_by_family_and_by_name(self):
        self.assertEqual({m.family for m in self.select(family=["simt", "sm80"])}, {"simt", "sm80"})
        self.assertEqual([m.full_name() for m in self.select(only=["simt/barrier-1-removed"])],
                         ["simt/barrier-1-removed"])
        with self.assertRaises(mutate.TableError):
            self.select(only=["no-such-name"])


if __name__ == "__main__":
    unittest.main()
