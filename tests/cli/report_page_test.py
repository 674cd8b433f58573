#!/usr/bin/env python3
"""Opens the page of `flashjit report` in a headless browser and checks that its plots are drawn.

FLASHJIT_PROGRAM is the program; FLASHJIT_BROWSER a Chromium (default: one of kBrowsers in PATH), or `none` where there
is none on purpose: then the tests are skipped, with exit code 77. A browser that is merely missing is a failure, and so are
NVRTC and nvdisasm unless FLASHJIT_LIBNVRTC or FLASHJIT_NVDISASM says `none`.
"""
import html
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

kRoot = pathlib.Path(__file__).resolve().parents[2]
kBrowsers = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")

# Run in the page when it has drawn itself: where every mark of every plot lies, relative to its plot, and what a click
# changes. The answer becomes the text of the document.
kProbe = """
<script>
"use strict";
function marks(id, selector) {
  const frame = document.getElementById(id).getBoundingClientRect();
  const list = [...document.querySelectorAll(`#${id} ${selector}`)].map(mark => {
    const box = mark.getBoundingClientRect(), style = getComputedStyle(mark);
    return {width: box.width, height: box.height, painted: style.fill !== "none" || style.stroke !== "none", fill: style.fill,
      inside: box.left >= frame.left - 1 && box.right <= frame.right + 1 && box.top >= frame.top - 1 && box.bottom <= frame.bottom + 1};
  });
  return {width: frame.width, height: frame.height, marks: list};
}
const texts = selector => [...document.querySelectorAll(selector)].map(element => element.textContent);
// What of a table reaches out of its frame or out of the window, and the frames that scroll by themselves.
function cutCells() {
  return [...document.querySelectorAll("table")].filter(table => table.offsetParent).flatMap(table => {
    const frame = table.parentElement, edge = Math.min(frame.getBoundingClientRect().right, document.documentElement.clientWidth) + 1;
    const cells = [...table.querySelectorAll("th, td")].filter(cell => cell.getBoundingClientRect().right > edge || cell.scrollWidth > cell.clientWidth + 1 && cell.clientWidth);
    return cells.map(cell => `${table.id}: ${cell.textContent}`).concat(frame.scrollHeight > frame.clientHeight + 1 || frame.scrollWidth > frame.clientWidth + 1 ? [`${table.id} scrolls`] : []);
  });
}
// The mark of the default tiling, as it is painted.
function defaultMark() {
  const mark = document.querySelector("#heatmap .cell.default > .corner"), style = mark && getComputedStyle(mark);
  return mark && {fill: style.fill, stroke: style.stroke, width: parseFloat(style.strokeWidth), order: style.paintOrder, size: mark.getBBox().width};
}
function look() {
  const circles = [...document.querySelectorAll("#roofline .point, #roofline .default-point")];
  return {
    device: document.getElementById("about").textContent, devices: texts("#devices button"), titles: texts("#problems td:first-child"),
    heads: texts("#problems th"), tiles: texts("#summary .tile"), names: texts("#variants td.name"), cells: cutCells(), mark: defaultMark(),
    text: document.body.innerText, untried: document.querySelectorAll("#heatmap .untried rect").length, legend: texts("#heatmap .untried-legend"),
    levels: texts("#roofline .tick").map(text => Number(text.replace(",", ""))), roofName: texts("#roofline .roof-name").join(" "), rooflineLead: texts("#roofline-lead").join(),
    order: circles.map(circle => circle.classList[0]), bottom: Number(texts("#ranking .tick")[0]?.replace(",", "")), zoomed: texts("#ranking .zoomed").join(),
    spread: (ys => Math.max(...ys) - Math.min(...ys))([...document.querySelectorAll("#ranking .rank")].map(mark => mark.getBBox().y)),
    peers: [...texts("#comparison"), ...texts("#peers"), ...[...document.querySelectorAll("#problems [data-tip]")].map(cell => cell.dataset.tip)],
    peersNote: texts("#peers-note").join(), note: texts("#comparison-note").join(), code: texts("#code-variants button"), chosenCode: texts("#code-variants button.on"), codeLead: texts("#code-lead").join(),
    title: document.getElementById("problem-title").textContent,
    heatmap: marks("heatmap", ".cell > rect"), winners: document.querySelectorAll("#heatmap .cell.winner").length,
    defaults: document.querySelectorAll("#heatmap .cell.default > rect").length,
    badges: [...document.querySelectorAll("#problem-badges .badge")].map(badge => badge.textContent),
    failed: document.querySelectorAll("#heatmap .cell.failed").length,
    comparison: marks("comparison", ".bar-mark"), ranking: marks("ranking", ".rank"), roofline: marks("roofline", ".point"),
    roof: marks("roofline", ".roof"), mix: marks("mix", ".mix-part"),
    rows: document.querySelectorAll("#problems tbody tr").length, variants: document.querySelectorAll("#variants tbody tr").length,
    open: document.querySelectorAll("#code-body details.main-loop[open] pre").length,
    folded: document.querySelectorAll("#code-body details:not(.main-loop):not([open]) pre").length,
    wide: document.documentElement.scrollWidth > innerWidth,
    cut: [...document.querySelectorAll("#mix text")].filter(text => text.getBBox().x < 0).length,
  };
}
const answer = {drawn: document.documentElement.dataset.drawn, errors: window.probeErrors, first: look()};
const kNames = ["first", "second", "third"];
for (let i = 1; i < kNames.length; ++i) {
  document.querySelectorAll("#problems tbody tr")[i].querySelector("td").click();
  answer[kNames[i]] = look();
}
for (const other of texts("#devices button")) {
  [...document.querySelectorAll("#devices button")].find(button => button.textContent === other).click();
  answer[other] = look();
  const last = [...document.querySelectorAll("#problems tbody tr")].pop();
  last.querySelector("td").click();
  answer[`${other}, last`] = look();
}
answer.tuned = document.querySelector("#summary .tile").textContent;
const cell = document.querySelector("#heatmap .cell"), box = cell.getBoundingClientRect();
cell.dispatchEvent(new MouseEvent("mousemove", {bubbles: true, clientX: box.left + 2, clientY: box.top + 2}));
answer.tip = document.getElementById("tip").hidden ? "" : document.getElementById("tip").textContent;
const paint = () => getComputedStyle(document.body).backgroundColor;
const before = paint();
document.getElementById("theme").click();
answer.themes = [before, paint()];
for (const tab of ["source", "PTX", "SASS"]) {
  const button = document.querySelector(`#code-tabs [data-tab="${tab}"]`);
  if (button) button.click();
  answer[tab] = button ? document.getElementById("code-body").textContent.slice(0, 200000) : null;
}
document.documentElement.innerHTML = "<pre id=probe></pre>";
document.getElementById("probe").textContent = JSON.stringify(answer);
</script>
"""
kErrors = "<script>window.probeErrors = []; addEventListener('error', event => window.probeErrors.push(event.message));</script>"


# Records as a tuner would write them; their times are made up and say so.
kTiling = {"family": "sm80", "block_m": 64, "block_n": 64, "num_stages": 2, "num_q_stages": 1, "num_warps": 4,
           "overlap": False, "ping_pong": False, "skip_masked": False, "row_sum_by_mma": False, "schedule": "one_tile",
           "rescale": "lazy", "epilogue": "direct", "producer_regs": 0, "consumer_regs": 0}
kHopper = {**kTiling, "family": "sm90", "block_m": 128, "block_n": 128, "num_warps": 8, "overlap": True,
           "rescale": "optimistic", "producer_regs": 40, "consumer_regs": 232}
kLongName = {"cluster_size": 2, "ping_pong": True, "probs_in_smem": True, "schedule": "one_tile", "rescale": "lazy",
             "epilogue": "staged"}


def candidate(block_m, block_n, time_us, error="", **others):
    tiling = {**kTiling, "block_m": block_m, "block_n": block_n, **others}
    return {"tiling": tiling, "time_us": time_us, "spread_us": 1.5, "error": error}


def hopper(time_us, **others):
    return {"tiling": {**kHopper, **others}, "time_us": time_us, "spread_us": 1.5, "error": ""}


def record(candidates, winner, default_us, seqlen, batch, heads, **problem):
    return {
        "schema": "flashjit-tuning-record/1",
        "device": {"name": "NVIDIA H100 80GB HBM3", "sm_count": 132, "memory_clock_khz": 2619000},
        "arch": {"major": 9, "minor": 0, "specific": True},
        "problem": {"dtype": "bf16", "head_dim_qk": 64, "head_dim_v": 64, "mask": "none", "return_lse": False, **problem},
        "bucket": {"seqlen_q": 1024, "seqlen_kv": 1024, "batch_heads": 1024, "heads_per_kv": 1},
        "shape": {"batch": batch, "seqlen_q": seqlen, "seqlen_kv": seqlen, "num_heads_q": heads, "num_heads_kv": heads,
                  "diagonal": 0, "softmax_scale": 0.125},
        "winner": candidates[winner]["tiling"], "driver_version": 13000, "sources_digest": "none",
        "winner_us": candidates[winner]["time_us"], "default_us": default_us, "policy": "made up for a test",
        "sm_clock_mhz": 0, "date": "2026-01-02T03:04:05Z", "complete": True, "candidates": candidates}


def make_records():
    """A problem that the peers' baseline has, one that it has not, and one of Hopper kernels whose search was stopped;
    in the order in which the page shows them, which is not that of their files."""
    return [
        record([candidate(128, 64, 220.0), candidate(128, 64, 231.0, num_stages=1), candidate(64, 64, 260.0),
                candidate(128, 128, 300.0), candidate(64, 128, 410.0), candidate(128, 96, 270.0),
                candidate(64, 32, 0.0, "it spills"), candidate(128, 32, 250.0)], 0, 235.0, 512, 32, 32),
        record([candidate(64, 64, 50.0), candidate(128, 64, 55.0), candidate(128, 128, 80.0)], 0, 55.0, 1000, 2, 4,
               mask="causal"),
        {**record([hopper(150.0, block_n=96, **kLongName), hopper(160.0)], 0, 160.0, 1024, 16, 16, head_dim_qk=128, head_dim_v=128),
         "complete": False},
    ]


def write_records(folder):
    for i, one in enumerate(make_records()):
        pathlib.Path(folder, f"{9 - i}.json").write_text(json.dumps(one))


def find_browser():
    named = os.environ.get("FLASHJIT_BROWSER")
    return named or next((path for path in map(shutil.which, kBrowsers) if path), None)


def run_program(*arguments, **environment):
    program = os.environ["FLASHJIT_PROGRAM"]
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=600,
                          env={**os.environ, **environment})


def open_page(page, window="1280,2000"):
    """What kProbe answers in `page`."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "page.html")
        text = page.replace("<head>", "<head>" + kErrors, 1).replace("</body>", kProbe + "</body>", 1)
        path.write_text(text, encoding="utf-8")
        # No sandbox: a browser that runs as root, as in a container, has none; the page is ours.
        command = [find_browser(), "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={window}",
                   f"--user-data-dir={folder}/profile", "--dump-dom", path.as_uri()]
        run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    match = re.search(r'<pre id="probe">(.*?)</pre>', run.stdout, re.S)
    if not match:
        raise AssertionError(f"the browser did not answer: {run.stderr[-2000:]} {run.stdout[:500]}")
    return json.loads(html.unescape(match[1]))


class ReportPage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder, "report.html")
            write_records(folder)
            run = run_program("report", "--records", folder, "--code", 3, "--out", out, "--json")
            assert run.returncode == 0, run.stderr
            cls.data = json.loads(run.stdout)
            cls.page = out.read_text(encoding="utf-8")
        cls.seen = open_page(cls.page)

    def check_plot(self, plot, count):
        self.assertGreater(plot["width"], 200)
        self.assertGreater(plot["height"], 20)
        self.assertEqual(len(plot["marks"]), count)
        for mark in plot["marks"]:
            self.assertGreater(mark["width"], 0)
            self.assertGreater(mark["height"], 0)
            self.assertTrue(mark["painted"])
            self.assertTrue(mark["inside"], mark)

    def tiles(self, problem):
        return {(c["block_m"], c["block_n"]) for c in self.data["problems"][problem]["candidates"]}

    def test_nothing_went_wrong(self):
        self.assertEqual(self.seen["errors"], [])
        self.assertEqual(self.seen["drawn"], "yes")
        self.assertFalse(self.seen["first"]["wide"], "the page scrolls sideways")

    def test_no_name_is_cut(self):
        self.assertEqual(self.seen["first"]["cut"], 0)

    def test_needs_no_network(self):
        outside = self.page.replace("http://www.w3.org/2000/svg", "")
        text = re.sub(r'<script type="application/json".*?</script>', "", outside, flags=re.S)
        self.assertNotRegex(text, r"(src|href)\s*=|https?://|@import|url\(|fetch\(|XMLHttpRequest")
        self.assertIn("default-src 'none'", text)

    def test_heat_map(self):
        for key, problem in (("first", 0), ("second", 1), ("third", 2)):
            seen = self.seen[key]
            self.assertEqual(seen["title"], self.data["problems"][problem]["title"])
            self.check_plot(seen["heatmap"], len(self.tiles(problem)))
            self.assertEqual(seen["winners"], 1)
            self.assertEqual(seen["defaults"], 1)
        self.assertEqual(self.seen["first"]["failed"], 1)  # the record's tile that never ran
        fills = {mark["fill"] for mark in self.seen["first"]["heatmap"]["marks"]}
        self.assertGreater(len(fills), 3, "different speeds, different colours")
        self.assertNotEqual(len(self.tiles(0)), len(self.tiles(1)), "the click must change the plot")
        self.assertIn("TFLOP/s", self.seen["tip"])

    def test_what_a_record_is_worth(self):
        """A search that was stopped, and kernel sources that are not this program's ("none"), are said."""
        self.assertEqual(self.seen["second"]["badges"], ["other sources"])
        self.assertEqual(self.seen["third"]["badges"], ["incomplete", "other sources"])
        self.assertIn("2problems tuned, 1 incomplete", self.seen["tuned"])

    def test_comparison_has_default_and_peers(self):
        self.check_plot(self.seen["first"]["comparison"], 5)  # tuned, default, three peers of the baseline
        self.check_plot(self.seen["second"]["comparison"], 2)  # no peer has measured this one

    def test_ranking(self):
        timed = [c for c in self.data["problems"][0]["candidates"] if c["tflops"] is not None]
        self.check_plot(self.seen["first"]["ranking"], len(timed))

    def test_roofline(self):
        self.check_plot(self.seen["first"]["roofline"], len(self.data["problems"]))
        self.check_plot(self.seen["first"]["roof"], 1)

    def test_tables(self):
        self.assertEqual(self.seen["first"]["rows"], len(self.data["problems"]))
        self.assertEqual(self.seen["first"]["variants"], len(self.data["variants"]))

    def test_colour_schemes_differ(self):
        light, dark = self.seen["themes"]
        self.assertNotEqual(light, dark)

    def test_code(self):
        for name in ("FLASHJIT_LIBNVRTC", "FLASHJIT_NVDISASM"):
            if os.environ.get(name) == "none":
                self.skipTest(f"{name}=none")
        self.assertTrue(self.data["compiler"], self.data["compiler_error"])
        self.assertFalse([v["sass_error"] for v in self.data["variants"] if "sass_error" in v])
        self.assertIn("constexpr KernelConfig kConfig", self.seen["source"])
        self.assertIn(".visible .entry " + self.data["problems"][2]["winner"], self.seen["PTX"])  # the problem chosen last
        self.assertIn("HGMMA", self.seen["SASS"])
        for variant, instruction in zip(self.data["variants"], ("HMMA", "HMMA", "HGMMA"), strict=False):
            self.assertGreater(variant["resources"]["registers"], 0)
            self.assertIn(instruction, "".join(part["text"] for part in variant["sass"] if part["main_loop"]))
            for kind in ("matrix", "exp", "fp32") + (("shared",) if instruction == "HMMA" else ()):
                self.assertGreater(variant["mix"]["main_loops"][kind], 0, kind)
        first = self.data["variants"][0]["sass"]
        loops = [part for part in first if part["main_loop"]]
        self.assertEqual(self.seen["first"]["open"], len(loops))
        self.assertEqual(self.seen["first"]["folded"], len(first) - len(loops))
        kinds = {kind for v in self.data["variants"] if "mix" in v for kind, n in v["mix"]["main_loops"].items() if n}
        self.assertGreaterEqual(len(self.seen["first"]["mix"]["marks"]), len(kinds))
        self.check_plot(self.seen["first"]["mix"], len(self.seen["first"]["mix"]["marks"]))

    def test_no_window_cuts_a_table(self):
        for width in (1400, 1200, 1110, 1090, 500):
            seen = open_page(self.page, f"{width},1200")
            self.assertEqual(seen["errors"], [])
            for key in ("first", "third"):
                self.assertFalse(seen[key]["wide"], f"the page scrolls sideways at {width}")
                self.assertEqual(seen[key]["cells"], [], width)
                self.assertEqual(seen[key]["cut"], 0, width)

    def test_the_default_stands_out_in_the_heat_map(self):
        mark = self.seen["first"]["mark"]
        self.assertEqual((mark["fill"], mark["stroke"], mark["order"]), ("rgb(0, 0, 0)", "rgb(255, 255, 255)", "stroke"))
        self.assertGreaterEqual(mark["width"], 2)
        self.assertGreaterEqual(mark["size"], 12)

    def test_blank_tiles_are_explained(self):
        for key, problem in (("first", 0), ("second", 1)):
            ms, ns = ({tile[i] for tile in self.tiles(problem)} for i in (0, 1))
            self.assertEqual(self.seen[key]["untried"], len(ms) * len(ns) - len(self.tiles(problem)))
            self.assertEqual(self.seen[key]["legend"], ["blank: not tried"])
        self.assertGreater(self.seen["first"]["untried"], 0)

    def test_peers_are_said_to_be_of_another_session(self):
        """Their clocks are not the tuner's: no ratio to them."""
        self.assertIn("NVIDIA H100 80GB HBM3 in another session", self.seen["first"]["note"])
        self.assertIn("clocks differ", self.seen["first"]["note"])
        self.assertEqual(self.seen["second"]["note"], "", "no peer has measured this one")
        self.assertIn("best peer, another session", self.seen["first"]["heads"])
        for text in self.seen["first"]["tiles"] + self.seen["first"]["heads"]:
            self.assertNotRegex(text, "×|peer$|the best peer")


def own_records(**environment):
    """What the program says of the records that come with it, without a compiler: JSON, page, text."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder, "report.html")
        settings = {"FLASHJIT_CACHE_DIR": folder + "/cache", "FLASHJIT_LIBNVRTC": "/nonexistent", "FLASHJIT_LIBCUDA": "/nonexistent", **environment}
        text = run_program("report", "--out", out, **settings)
        assert text.returncode == 0, text.stderr
        return json.loads(run_program("report", "--json", **settings).stdout), out.read_text(encoding="utf-8"), text.stdout


class OwnRecords(unittest.TestCase):
    """The records that come with the program are of two GPUs."""
    @classmethod
    def setUpClass(cls):
        cls.data, page, cls.text = own_records()
        cls.seen = open_page(page, "1300,1200")
        cls.narrow = open_page(page, "500,1200")
        cls.devices = [device["name"] for device in cls.data["devices"]]
        cls.roofs = {roofs["device"]: roofs for roofs in cls.data["roofs"]}

    def problems(self, device):
        return [p for p in self.data["problems"] if p["device"] == device]

    def test_one_device_at_a_time(self):
        self.assertEqual(self.seen["errors"], [])
        self.assertGreaterEqual(len(self.devices), 2)
        self.assertEqual(self.seen["first"]["devices"], self.devices)
        self.assertIn(self.data["device"], self.seen["first"]["device"])
        for device in self.devices:
            seen, problems = self.seen[device], self.problems(device)
            self.assertIn(device, seen["device"])
            titles = [re.sub(" (other sources|incomplete)", "", title) for title in seen["titles"]]
            self.assertEqual(titles, [p["title"] for p in problems])
            self.assertEqual(len(set(titles)), len(titles), "a problem is listed twice")
            self.assertTrue(seen["tiles"][0].startswith(f"{len(problems)}problems tuned"), seen["tiles"])
            self.assertIn(f"{max(p['winner_tflops'] for p in problems):.0f}TFLOP/s", seen["tiles"][4])
            self.assertEqual(len(seen["roofline"]["marks"]), len(problems))
            used = {p[kind] for p in problems for kind in ("winner", "default")}
            self.assertEqual(len(seen["names"]), len(used))
            self.assertIn(seen["title"], titles)

    def test_roofs_are_drawn_and_said_to_be_whose(self):
        for device in self.devices:
            seen = self.seen[device]
            self.assertEqual(len(seen["roof"]["marks"]), 1)
            for other in self.devices:
                for text in (seen["roofName"], seen["rooflineLead"]):
                    self.assertEqual(other in text, other == device, text)
            self.assertIn(f"{self.roofs[device]['gb_per_s']:,.0f} GB/s", seen["rooflineLead"])
            for text in (seen["roofName"], seen["rooflineLead"]):
                self.assertEqual("data sheet" in text, not self.roofs[device]["measured"], text)
        self.assertTrue(self.roofs["NVIDIA H100 80GB HBM3"]["measured"])
        self.assertFalse(self.roofs["NVIDIA H200"]["measured"])

    def test_peers_are_those_measured_on_the_device(self):
        """On an H200 nobody measured FlashAttention-3."""
        result = json.loads((kRoot / "bench/results/h200.json").read_text(encoding="utf-8"))
        rows = {(r["head_dim"], r["causal"], r["seqlen"]): r for r in result["forward"]}
        for p in self.problems("NVIDIA H200"):
            row = rows[p["head_dim"], p["causal"], p["seqlen_q"]]
            self.assertEqual(p["peers"], {"cuDNN": row["cudnn"], "FlashAttention-2": row["fa2"]}, p["title"])
        for device, peers in (("NVIDIA H100 80GB HBM3", 3), ("NVIDIA H200", 2)):
            seen = self.seen[device]
            self.assertEqual(len(seen["comparison"]["marks"]), 2 + peers)
            self.assertEqual(any("FlashAttention-3" in text for text in seen["peers"]), peers == 3)
            self.assertIn(f"measured on an {device} in another session", seen["note"])
            self.assertIn(device, seen["peersNote"])
        self.assertIn(result["date"], self.seen["NVIDIA H200"]["note"])
        self.assertIn(f"torch {result['torch']}, cuDNN {result['cudnn']}", self.seen["NVIDIA H200"]["peersNote"])

    def test_roofline_can_be_read(self):
        for device in self.devices:
            seen, speeds = self.seen[device], [p["winner_tflops"] for p in self.problems(device)]
            fast = [level for level in seen["levels"] if 400 <= level <= max(speeds)]
            self.assertGreaterEqual(len(fast), 3, seen["levels"])
            self.assertEqual(seen["order"], sorted(seen["order"], reverse=True), "a default behind a tuned point")
            self.assertEqual(seen["order"].count("default-point"), len(speeds))

    def test_ranking_shows_differences(self):
        self.assertGreater(self.seen["first"]["bottom"], 0)
        self.assertRegex(self.seen["first"]["zoomed"], r"begins at [\d.,]+ µs, not at 0")
        self.assertGreater(self.seen["first"]["spread"], 60)

    def test_blank_tiles_may_have_been_tried(self):
        """A record that comes with the program keeps the telling candidates only."""
        self.assertEqual(self.seen["first"]["legend"], ["blank: not tried, or not kept in the record"])

    def test_code_of_every_head_dim_and_mask(self):
        for device in self.devices:
            kinds = list(dict.fromkeys(p["kind"] for p in self.problems(device)))
            # One more where the other device's winner is one of this device's, too.
            self.assertEqual(list(dict.fromkeys(name.partition(" sm90")[0] for name in self.seen[device]["code"])), kinds)
            last = self.seen[f"{device}, last"]
            self.assertEqual([name.partition(" sm90")[0] for name in last["chosenCode"]], kinds[-1:])
            self.assertIn(self.problems(device)[-1]["winner"], last["codeLead"])

    def test_no_window_cuts_a_table(self):
        for seen in (self.seen, self.narrow):
            for device in self.devices:
                self.assertFalse(seen[device]["wide"])
                self.assertEqual(seen[device]["cells"], [])
                self.assertEqual(seen[device]["cut"], 0)

    def test_text(self):
        """One table per device, the one of the page first, no line wider than a terminal."""
        lines = self.text.splitlines()
        self.assertLessEqual(max(map(len, lines)), 100)
        heads = [line for line in lines if ", TFLOP/s" in line]
        self.assertEqual(len(heads), len(self.devices))
        self.assertTrue(heads[0].startswith(self.data["device"]))
        for device in self.devices:
            for problem in self.problems(device):
                title = problem["title"].replace(" ·", ",") + " "
                self.assertEqual(sum(title in line for line in lines), len(self.devices))

    def test_device_name(self):
        environment = {"FLASHJIT_CACHE_DIR": "/nonexistent", "FLASHJIT_LIBNVRTC": "/nonexistent"}
        run = run_program("report", "--json", "--device-name", "h100", **environment)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual({p["device"] for p in json.loads(run.stdout)["problems"]}, {"NVIDIA H100 80GB HBM3"})
        none = run_program("report", "--json", "--device-name", "B200", **environment)
        self.assertEqual(none.returncode, 2)
        self.assertIn("B200", none.stderr)
        for device in self.devices:
            self.assertIn(device, none.stderr)


class Command(unittest.TestCase):
    def test_bad_input(self):
        neither = run_program("report", "--records", "/nonexistent.json")
        self.assertEqual(neither.returncode, 2)
        self.assertIn("--out", neither.stderr)
        missing = run_program("report", "--records", "/nonexistent.json", "--json")
        self.assertEqual(missing.returncode, 3)
        self.assertIn("/nonexistent.json", missing.stderr)
        with tempfile.TemporaryDirectory() as folder:
            empty = run_program("report", "--records", folder, "--json")
            self.assertEqual(empty.returncode, 3)
            self.assertIn("no tuning record", empty.stderr)
            broken = pathlib.Path(folder, "broken.json")
            broken.write_text(json.dumps(make_records()[0])[:1000])
            named = run_program("report", "--records", broken, "--json")
            self.assertEqual(named.returncode, 3)
            self.assertIn(f"{broken}: tuning record: not JSON", named.stderr)
            self.assertNotIn("no tuning record", named.stderr)

    def test_a_page_that_cannot_be_written_is_noticed_before_anything_is_compiled(self):
        with tempfile.TemporaryDirectory() as folder:
            write_records(folder)
            for place in ("/dev/null/page.html", folder):
                run = run_program("report", "--records", folder, "--out", place,
                                  FLASHJIT_CACHE_DIR=folder + "/cache")
                self.assertEqual(run.returncode, 3)
                self.assertIn(place, run.stderr)
                self.assertFalse(list(pathlib.Path(folder).glob("cache/*/*.fjc")))

    def test_the_records_that_come_with_the_program(self):
        with tempfile.TemporaryDirectory() as cache:
            run = run_program("report", "--json", FLASHJIT_CACHE_DIR=cache, FLASHJIT_LIBNVRTC="/nonexistent")
        self.assertEqual(run.returncode, 0, run.stderr)
        problems = json.loads(run.stdout)["problems"]
        self.assertGreaterEqual(len(problems), 36)
        for one in problems:
            self.assertTrue(one["complete"], one["title"])
            self.assertIn(one["default"], [c["variant"] for c in one["candidates"]], one["title"])
        order = [(p["head_dim"], p["causal"], p["seqlen_q"]) for p in problems if p["dtype"] == "bf16"]
        self.assertEqual(order, sorted(order))

    def test_text_from_a_record_cannot_leave_its_place(self):
        """A device may be called anything; so may an error."""
        record = make_records()[0]
        evil = "</script><script>document.title='owned'</script>\"'><img src=x onerror=alert(1)>"
        record["device"]["name"] = record["candidates"][6]["error"] = evil
        with tempfile.TemporaryDirectory() as folder:
            path, out = pathlib.Path(folder, "r.json"), pathlib.Path(folder, "out.html")
            path.write_text(json.dumps(record))
            run = run_program("report", "--records", path, "--code", 0, "--out", out)
            self.assertEqual(run.returncode, 0, run.stderr)
            text = out.read_text()
        self.assertEqual(text.count("<script"), 2)
        self.assertNotIn("<img", text)


if __name__ == "__main__":
    if os.environ.get("FLASHJIT_BROWSER") == "none":
        print("FLASHJIT_BROWSER=none: the page was not opened")
        sys.exit(77)
    if not find_browser():
        sys.exit("no browser: install chromium-headless-shell (./dev test does), or say FLASHJIT_BROWSER=none")
    unittest.main()
