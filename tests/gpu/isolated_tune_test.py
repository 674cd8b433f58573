#!/usr/bin/env python3
"""`flashjit tune` on GPU 0 with kernels of which some write to an illegal address: with --isolate they cost themselves,
without it the device, and what was measured is kept. Skipped, with exit code 77, where there is no GPU for them."""
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from edited_kernels import EditedKernels  # noqa: E402

kFile = "sm80/fwd_kernel.cuh"
kFirstLine = "  const u32 smem = ptx::dynamic_smem();\n"
kFault = "  if constexpr (kConfig.tiling.block_n == 128) *reinterpret_cast<volatile int*>(8) = 1;\n"

kProblem = ("--family", "sm80", "--head-dim", "64", "--seqlen", "512", "--batch", "2", "--heads", "8")
kFirstRound = 12


def is_faulty(tiling):
    return tiling["family"] == "sm80" and tiling["block_n"] == 128


class IsolatedTune(EditedKernels):
    def setUp(self):
        super().setUp()
        self.edit(kFile, kFirstLine, kFault + kFirstLine)

    def tune(self, *flags):
        """(exit code, the document that it prints, the record that it leaves)."""
        records = self.folder / "records"
        run = self.run_program("tune", *kProblem, "--device", "0", "--shortlist", str(kFirstRound), "--out", str(records),
                               "--json", *flags, edited=True)
        files = list(records.glob("*.json"))
        self.assertEqual(len(files), 1, run.stdout + run.stderr)
        document = json.loads(run.stdout)
        self.assertEqual(len(document["problems"]), 1)
        return run.returncode, document, json.loads(files[0].read_text())

    def assert_measured(self, rows):
        for row in rows:
            self.assertEqual(row.get("error", ""), "", row["tiling"])
            self.assertGreater(row["time_us"], 0, row["tiling"])

    def assert_tuned_around_faults(self, code, document, record):
        self.assertEqual(code, 0, document)
        outcome = document["problems"][0]
        self.assertEqual((outcome["state"], outcome["error"]), ("tuned", ""))
        faulty = [row for row in record["candidates"] if is_faulty(row["tiling"])]
        sound = [row for row in record["candidates"] if not is_faulty(row["tiling"])]
        for row in faulty:
            self.assertIn("CUDA_ERROR_ILLEGAL_ADDRESS", row["error"], row["tiling"])
        self.assert_measured(sound)
        self.assertGreaterEqual(len(sound), 3)
        self.assertEqual((outcome["failed"], outcome["candidates"]), (len(faulty), len(faulty) + len(sound)))
        self.assertTrue(record["complete"])
        self.assertIn(record["winner"], [row["tiling"] for row in sound])
        self.assertGreater(record["winner_us"], 0)
        self.assertLessEqual(record["winner_us"], record["default_us"])
        return faulty

    def test_the_first_round_has_faulty_candidates_and_others(self):
        run = self.run_program("tune", *kProblem, "--dry-run", "--limit", str(kFirstRound), "--json", edited=True)
        rows = json.loads(run.stdout)["candidates"]
        faulty = [row for row in rows if re.search(r"_m\d+n128", row["variant"])]
        self.assertGreaterEqual(len(faulty), 2)
        self.assertGreaterEqual(len(rows) - len(faulty), 3)
        self.assertFalse([row for row in faulty if row["default"]])

    def test_isolated_candidates_cost_themselves(self):
        faulty = self.assert_tuned_around_faults(*self.tune("--isolate", "--seconds", "15"))
        self.assertGreaterEqual(len(faulty), 2, "after the first the search goes on")

    def test_a_lost_device_keeps_what_was_measured_and_the_next_run_goes_on(self):
        code, document, record = self.tune("--seconds", "15")
        outcome = document["problems"][0]
        self.assertEqual((code, outcome["state"]), (1, "incomplete"))
        for part in ("the device is lost to this process", "CUDA_ERROR_ILLEGAL_ADDRESS", "--isolate"):
            self.assertIn(part, outcome["error"])
        self.assertEqual(document["notes"], ["Not everything was tuned; the same command goes on from here."])
        self.assertFalse(record["complete"])
        guilty = [row for row in record["candidates"] if is_faulty(row["tiling"])]
        self.assertEqual([row["error"] for row in guilty], [outcome["error"]])
        self.assert_measured([row for row in record["candidates"] if row not in guilty])
        self.assertIn(record["winner"], [row["tiling"] for row in record["candidates"] if row not in guilty])
        self.assertEqual(record["winner_us"], record["default_us"], "without finals the default stays")
        faulty = self.assert_tuned_around_faults(*self.tune("--isolate", "--seconds", "8"))
        self.assertIn(guilty[0], faulty, "known failures are not tried again")


def why_skipped():
    """What GPU 0 lacks for these tests, or ""."""
    doctor = subprocess.run([os.environ["FLASHJIT_PROGRAM"], "doctor", "--json"], capture_output=True, text=True)
    gpu = next(check for check in json.loads(doctor.stdout)["checks"] if check["what"] == "GPU")
    if gpu["state"] != "ok":
        return f"no GPU: {gpu['found']}"
    return "" if int(re.search(r"\bsm_(\d+)", gpu["found"])[1]) >= 80 else f"too old for sm80 kernels: {gpu['found']}"


if __name__ == "__main__":
    reason = why_skipped()
    if reason:
        print(f"skipped: {reason}")
        sys.exit(77)
    unittest.main()
