#!/usr/bin/env python3
"""What the benchmark scripts derive from rows: the lines and ratios of extra_points, the tables of ladder_table, the
counters of ncu_sm90."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
import extra_points  # noqa: E402
import ladder_table  # noqa: E402
import ncu_sm90  # noqa: E402


def row(head_dim, flashjit, cudnn=100.0, **more):
    return extra_points.point(head_dim, more.pop("causal", False)) | {"kernel": "sm90", "flashjit": flashjit,
                                                                      "cudnn": cudnn} | more


class ExtraPoints(unittest.TestCase):
    def test_groups_cover_what_they_promise(self):
        groups = extra_points.groups()
        self.assertEqual({section for section, _ in groups}, set(extra_points.SECTIONS))
        dims = {(p["head_dim"], p["causal"]) for section, points in groups if section == "head_dims" for p in points}
        self.assertEqual(len(dims), 2 * len(extra_points.HEAD_DIMS))
        for section, points in groups:
            if section == "fp16":
                self.assertEqual([(p["dtype"], p.get("values")) for p in points],
                                 [("fp16", None), ("fp16", "bf16"), ("bf16", None)])
            if section == "gqa":
                self.assertEqual([(p["heads"], p["heads_kv"]) for p in points], [(32, 8), (32, 32)])
            for p in points:
                self.assertEqual(p["heads"] % p["heads_kv"], 0)

    def test_a_head_dim_is_held_against_the_line_between_its_neighbours(self):
        rows = [row(64, 600.0), row(80, 500.0, 200.0), row(128, 800.0), row(160, 900.0), row(256, 800.0),
                row(64, 1.0, causal=True)]
        extra_points.finish("head_dims", rows)
        self.assertEqual(rows[1]["vs_line"], round(500 / 650, 3))  # a quarter of the way from 600 to 800
        self.assertEqual(rows[3]["vs_line"], 1.125)
        self.assertEqual(rows[1]["vs_cudnn"], 2.5)
        self.assertNotIn("vs_line", rows[0])
        self.assertIn("vs_line at least 0.769 (d80", extra_points.summary("head_dims", rows))
        self.assertIn("vs_cudnn at least 2.5 (d80", extra_points.summary("head_dims", rows))

    def test_a_missing_neighbour_or_an_error_gives_no_line(self):
        rows = [row(64, 600.0), row(80, 500.0), {**row(128, 0.0), "error": "x"}]
        del rows[2]["flashjit"]
        extra_points.finish("head_dims", rows)
        self.assertNotIn("vs_line", rows[1])

    def test_fp16_beside_bf16_and_grouped_beside_multi_head(self):
        pair = [row(128, 776.0, dtype="fp16"), row(128, 800.0), row(128, 700.0, causal=True)]
        extra_points.finish("fp16", pair)
        self.assertEqual(pair[0]["vs_bf16"], 0.97)
        self.assertNotIn("vs_bf16", pair[1])
        rounded = [row(128, 776.0, dtype="fp16"), row(128, 720.0, dtype="fp16", values="bf16"), row(128, 800.0)]
        extra_points.finish("fp16", rounded)
        self.assertEqual([r.get("vs_bf16") for r in rounded], [0.97, 0.9, None])
        self.assertIn("vs_bf16 at least 0.97", extra_points.summary("fp16", rounded))
        heads = [extra_points.point(128, True, heads=32, heads_kv=n) | {"kernel": "sm90", "flashjit": f}
                 for n, f in ((8, 735.0), (32, 700.0))]
        extra_points.finish("gqa", heads)
        self.assertEqual(heads[0]["vs_mha"], 1.05)
        self.assertNotIn("vs_mha", heads[1])


def rung(step, kind="step", head_dim=128, causal=False, tflops=500.0, gain=None):
    return {"head_dim": head_dim, "causal": causal, "seqlen": 4096, "kind": kind, "step": step, "tflops": tflops,
            "utilisation": 0.6543, "gain": gain, "sm_clock_mhz": 1500.0}


class LadderTable(unittest.TestCase):
    rows = [rung("a"), rung("+ overlap", gain=1.25, tflops=625.0), rung("+ 3 warpgroups, 192×64", gain=1.1),
            rung("a", head_dim=256), rung("+ overlap", head_dim=256, gain=1.2), rung("+ skip", head_dim=256),
            rung("+ 4 warpgroups, 256×64", head_dim=256, gain=1.0),
            rung("no overlap", "without", gain=0.8), rung("broken", "without", tflops=None)]
    result = {"device": "GPU", "date": "2026-01-01", "command": "flashjit bench --ladder", "rows": rows}

    def test_steps_keep_their_order_and_share_lines(self):
        lines = ladder_table.table(self.rows, "step").splitlines()
        self.assertEqual(lines[0], "| step | 128 full | 256 full |")
        self.assertEqual([line.split(" | ")[0] for line in lines[2:]],
                         ["| a", "| + overlap", "| + skip", "| + more warpgroups"])
        self.assertEqual(lines[3], "| + overlap | 625 · .65 · ×1.25 | 500 · .65 · ×1.20 |")
        self.assertTrue(lines[4].startswith("| + skip |  | 500"))

    def test_a_step_that_one_case_takes_early_and_another_late_stands_where_both_agree(self):
        orders = [["a", "q"], ["a", "dynamic", "skip", "q"], ["a", "dynamic", "staged"]]
        merged = ladder_table.merge_orders(orders)
        for order in orders:
            self.assertEqual(sorted(order, key=merged.index), order)

    def test_what_failed_says_so_and_numbers_have_their_source(self):
        text = ladder_table.markdown(self.result)
        self.assertIn("| broken | fails |", text)
        self.assertIn("GPU, 2026-01-01, bf16, S = 4096", text)
        self.assertIn("SM clock 1500 – 1500 MHz", text)

    def test_only_the_section_is_replaced(self):
        text = f"before\n{ladder_table.BEGIN}\nold\n{ladder_table.END}\nafter\n"
        self.assertEqual(ladder_table.replace_section(text, "new\n"),
                         f"before\n{ladder_table.BEGIN}\nnew\n{ladder_table.END}\nafter\n")
        with self.assertRaises(ValueError):
            ladder_table.replace_section("no marks", "new\n")


class Ncu(unittest.TestCase):
    raw = '''the program's own line
"ID","Kernel Name","gpu__time_duration.sum","sm__inst_executed_pipe_xu.avg.pct_of_peak_sustained_active",\
"sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_active","smsp__issue_active.avg.pct_of_peak_sustained_active",\
"smsp__average_warps_issue_stalled_gmma_per_issue_active.ratio","smsp__average_warps_issue_stalled_wait_per_issue_active.ratio"
"","","nsecond","%","%","%","inst","inst"
"0","fwd_sm90_bf16_d128","1,234,500.0","33.25","91.04","41.00","2.125","3.5"
'''

    def test_counters_by_name_and_stalls_by_size(self):
        row = ncu_sm90.summarise(ncu_sm90.parse_raw(self.raw))
        self.assertEqual(row["kernel"], "fwd_sm90_bf16_d128")
        self.assertEqual((row["time_us"], row["xu"], row["tensor"], row["issue"]), (1234.5, 33.2, 91.0, 41.0))
        self.assertEqual(list(row["stalls"].items()), [("wait", 3.5), ("gmma", 2.12)])
        self.assertNotIn("fma", row)
        text = ncu_sm90.markdown({"device": "GPU", "date": "2026-01-01",
                                  "rows": [row | {"head_dim": 128, "causal": True,
                                                   "kernel": "fwd_sm90_bf16_d128_causal_m192n64s4"}]})
        self.assertIn("| problem | tiling | µs | issue slots | tensor pipe | exp (xu) pipe | largest stalls |", text)
        self.assertIn("| 128 causal | m192n64s4 | 1234.5 | 41.0 | 91.0 | 33.2 | wait 3.5, gmma 2.12 |", text)

    def test_no_counters_is_an_error(self):
        with self.assertRaises(ValueError):
            ncu_sm90.parse_raw("==ERROR== ERR_NVGPUCTRPERM\n")


if __name__ == "__main__":
    unittest.main()
