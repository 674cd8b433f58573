"""Tests that run the program (FLASHJIT_PROGRAM) on an edited copy of kernel_src/."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

kRoot = pathlib.Path(__file__).resolve().parents[2]


def diffs(page):
    """The diff blocks of a page in docs/: [(file, text before, text after)]."""
    blocks = re.findall(r"```diff\n--- .*?\n\+\+\+ b/(\S+)\n(.*?)\n```", (kRoot / "docs" / page).read_text(), re.S)
    return [(file, *("\n".join(line[1:] for line in text.split("\n") if line[0] != sign) for sign in "+-"))
            for file, text in blocks]


class EditedKernels(unittest.TestCase):
    """Each test has a folder of its own, with `my_kernels`, a copy of kernel_src/, and a cache."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.kernels = self.folder / "my_kernels"
        shutil.copytree(kRoot / "kernel_src", self.kernels)

    def edit(self, file, before, after):
        text = (self.kernels / file).read_text()
        self.assertEqual(text.count(before), 1, f"{file} has not exactly once:\n{before}")
        (self.kernels / file).write_text(text.replace(before, after))

    def restore(self, file):
        shutil.copy(kRoot / "kernel_src" / file, self.kernels / file)

    def run_program(self, *arguments, edited, **environment):
        """The program in the test's folder, with the edited sources or with its own."""
        environment = {**os.environ, "FLASHJIT_CACHE_DIR": str(self.folder / "cache"), **environment}
        environment.pop("FLASHJIT_KERNEL_DIR", None)
        if edited:
            environment["FLASHJIT_KERNEL_DIR"] = self.kernels.name
        return subprocess.run([os.environ["FLASHJIT_PROGRAM"], *arguments], env=environment, cwd=self.folder,
                              capture_output=True, text=True, timeout=600)
