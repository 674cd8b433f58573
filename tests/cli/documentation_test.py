#!/usr/bin/env python3
"""What README.md and docs/ print is what the program does: commands, options, settings, links and the C++ example.
Needs the program (FLASHJIT_PROGRAM), a C++ compiler (CXX) and no GPU."""
import json
import os
import pathlib
import re
import shlex
import subprocess
import tempfile
import unittest

kRoot = pathlib.Path(__file__).resolve().parents[2]
kPages = [kRoot / "README.md", *sorted((kRoot / "docs").glob("*.md"))]


def run(*arguments):
    """The program without a GPU, wherever this runs, and with an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("FLASHJIT_") or name in ("FLASHJIT_LIBNVRTC", "FLASHJIT_NVDISASM")}
        environment.update(FLASHJIT_LIBCUDA="/no/such/libcuda.so.1", FLASHJIT_CACHE_DIR=folder + "/cache")
        return subprocess.run([os.environ["FLASHJIT_PROGRAM"], *arguments], env=environment, cwd=folder,
                              capture_output=True, text=True, timeout=600)


def command_lines(page):
    """The indented lines that call the program: [(what follows `flashjit`, what follows that after # or two blanks)]."""
    found = []
    for line in page.read_text().splitlines():
        match = re.match(r" {4,}(?:\$ )?(?:[A-Z_]+=\S+ )*flashjit ([a-z].*)", line)
        if match:
            command, *comment = re.split(r" +# +|  +(?!-)", match[1], maxsplit=1)
            found.append((command, "".join(comment)))
    return found


def subcommands():
    section = run("--help").stdout.split("Subcommands:")[1]
    return re.findall(r"^  ([a-z][a-z-]+) ", section, re.M)


class Documentation(unittest.TestCase):
    def test_every_command_and_option_exists(self):
        helps = {name: run(name, "--help").stdout for name in subcommands()}
        lines = [(page, *line) for page in kPages for line in command_lines(page)]
        self.assertGreater(len(lines), 30)
        for page, command, comment in lines:
            with self.subTest(page=page.name, command=command):
                names = re.match(r"[a-z-]+(?:, [a-z-]+)*", command)[0].split(", ")
                for name in names:
                    self.assertIn(name, helps)
                for option in re.findall(r"(?<![\w-])--[a-z-]+", command):
                    self.assertRegex(helps[names[0]], re.escape(option) + r"\b")

    def test_every_command_is_told_in_the_readme_or_docs(self):
        text = "\n".join(page.read_text() for page in kPages)
        for name in subcommands():
            self.assertRegex(text, rf"flashjit (?:[a-z]+, )*{name}\b")

    def test_the_learning_path_runs_as_printed(self):
        checks = json.loads(run("doctor", "--json").stdout)["checks"]
        if any(check["what"] == "nvdisasm" and check["state"] != "ok" for check in checks):
            self.skipTest("no nvdisasm")
        for command, comment in command_lines(kRoot / "docs/architecture.md"):
            words = shlex.split(command)
            if words[0] == "analyze":  # the CPU backend would take minutes for the page's own
                words = ["256" if before == "--seqlen" else word for before, word in zip([""] + words, words)]
            with self.subTest(command=command):
                done = run(*words)
                if words[0] in ("bench", "profile") and "emulated" not in words:
                    self.assertEqual(done.returncode, 1)
                    self.assertIn("no_driver", done.stderr)
                elif comment.startswith("refused"):
                    self.assertEqual(done.returncode, 2)
                    self.assertIn("cannot be built", done.stderr)
                else:
                    self.assertEqual((done.returncode, done.stderr), (0, ""))
                    self.assertTrue(done.stdout)

    def test_the_settings_are_those_of_the_program(self):
        table = re.search(r"## Settings\n.*?\n(\|.*?)\n\n", (kRoot / "README.md").read_text(), re.S)[1]
        rows = [tuple(cell.strip(" `") for cell in row.strip("|").split(" | ")) for row in table.splitlines()[2:]]
        told = [(row["variable"], row["meaning"]) for row in json.loads(run("doctor", "--json").stdout)["settings"]]
        self.assertEqual(rows, told)

    def test_the_example_of_the_readme_compiles(self):
        example = re.search(r"```cpp\n(.*?)```", (kRoot / "README.md").read_text(), re.S)[1]
        includes, body = example.split("\n\n", 1)
        program = (f"{includes}\nvoid example(void* q, void* k, void* v, void* o, long batch, long seqlen_q, long seqlen_kv,"
                   f" long heads_q, long heads_kv, long head_dim, flashjit::Stream stream) {{\n{body}}}\n")
        done = subprocess.run([os.environ["CXX"], "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
                               f"-I{kRoot}/runtime/include", "-x", "c++", "-"], input=program, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_links_lead_somewhere(self):
        for page in kPages:
            links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
            for link in links:
                if "://" not in link:
                    with self.subTest(page=page.name, link=link):
                        self.assertTrue((page.parent / link).exists())


if __name__ == "__main__":
    unittest.main()
