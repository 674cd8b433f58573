#!/usr/bin/env python3
"""The rules of the house that a compiler does not know. Rules are errors, sizes are warnings.

Called by `./dev lint` and `./dev test`; judges code, not comments, and for most rules not string literals either.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("runtime", "kernel_src", "autotune", "emulator", "cli", "bench", "examples", "tests")
SUFFIXES = {".cpp", ".h", ".cuh", ".c"}
PAGE_SUFFIXES = {".js", ".css", ".html"}  # of the pages under cli/
LITERAL_OR_COMMENT = re.compile(
    r'R"([^()\\\s]{0,16})\((?P<raw>.*?)\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|//[^\n]*|/\*.*?\*/', re.S)

# (pattern, folders it is judged in, files it is allowed in, what to do instead)
RULES = [
    (r"\b(?:__)?asm(?:__)?\b", ("",), ("kernel_src/ptx/",), "inline assembly stands in kernel_src/ptx/ only"),
    (r"\b__shared__\b", ("kernel_src/",), ("kernel_src/ptx/",), "shared memory is 32-bit addresses through ptx/, never a variable"),
    (r"#\s*include\s*<", ("kernel_src/",), (), "device code includes nothing but itself"),
    (r"\b(secure_)?getenv\b", ("runtime/", "autotune/", "cli/", "emulator/"), ("runtime/settings.cpp",),
     "the environment is read in runtime/settings.cpp only"),
    (r"\busing namespace std\b", ("",), (), "name what you use"),
    (r"\b(printf|fprintf|cout|cerr)\b", ("runtime/", "autotune/"), (), "the library speaks through its logger"),
    (r"^\s*#\s*define\s+(?!CATCH_)", ("runtime/", "autotune/", "cli/"), ("runtime/include/flashjit/export.h",
     "runtime/include/flashjit/c_api.h"), "a constant or a function instead of a macro"),
]
# Lines: (header, source) on the host, and what a device file may have.
HEADER, SOURCE, PTX, MAINLOOP = 200, 300, 150, 400
# Characters of a line of a page; clang-format sees to those of C++.
PAGE_LINE = 120


def strip(text: str, keep_strings: bool = False) -> str:
    """The text with comments (and literals) blanked, line numbers unchanged."""
    def blank(match):
        found = match.group(0)
        if keep_strings and not found.startswith("/"):
            return found
        return re.sub(r"[^\n]", " ", found)
    return LITERAL_OR_COMMENT.sub(blank, text)


def size_limit(path: str) -> int:
    if path.startswith("kernel_src/"):
        return PTX if "/ptx/" in path else MAINLOOP
    return HEADER if path.endswith(".h") else SOURCE


def judged(path: str) -> bool:
    suffix = pathlib.PurePosixPath(path).suffix
    return suffix in SUFFIXES or (suffix in PAGE_SUFFIXES and path.startswith("cli/"))


def check_page(text: str):
    """Yields (line, message); the rules of C++ are none of a page's."""
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > PAGE_LINE:
            yield number, f"{len(line)} characters, a line has {PAGE_LINE}"


def check(path: str, text: str):
    """Yields (line, message) for each broken rule."""
    if pathlib.PurePosixPath(path).suffix in PAGE_SUFFIXES:
        yield from check_page(text)
        return
    code = strip(text)
    for pattern, folders, allowed, advice in RULES:
        if not path.startswith(folders) or path.startswith(allowed or ("\0",)):
            continue
        for match in re.finditer(pattern, code, re.M):
            yield code.count("\n", 0, match.start()) + 1, advice
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"//.*\bTODO\b(?!\([^)]+\): \S)", line):
            yield number, "a TODO names its reason: TODO(reason): what"


def self_test() -> None:
    """The rules must fire on planted faults, or their silence means nothing."""
    planted = [
        ("runtime/x.cpp", 'void f() { asm("nop"); }', 1), ("runtime/x.cpp", '// asm\nauto s = "asm volatile";', 0),
        ("runtime/x.cpp", 'auto s = R"(asm\n)"; // asm', 0), ("kernel_src/ptx/x.h", 'asm volatile("nop");', 0),
        ("kernel_src/sm90/x.cuh", '__asm__ volatile("nop");', 1),
        ("kernel_src/simt/x.cuh", "__shared__ float x;", 1), ("kernel_src/x.h", "#include <cstdint>", 1),
        ("kernel_src/x.h", '#include "types.h"', 0), ("cli/x.cpp", 'std::getenv("HOME");', 1),
        ("runtime/settings.cpp", 'std::getenv("HOME");', 0), ("runtime/x.cpp", "#define X 1", 1),
        ("runtime/x.cpp", "// TODO later", 1), ("runtime/x.cpp", "// TODO(CUDA 12.9): drop\n", 0),
        ("cli/x/page.js", "x" * 121, 1), ("cli/x/page.css", "µ" * 120 + "\n" + "x" * 120, 0), ("cli/x/page.html", "x" * 500, 1),
    ]
    for path, text, expected in planted:
        found = len(list(check(path, text)))
        if found != expected:
            sys.exit(f"lint.py: self-test: {path}: {text!r}: {found} findings, expected {expected}")
    for path, expected in (("cli/x/page.js", True), ("cli/x.md", False), ("tests/x.js", False), ("tests/x.h", True)):
        if judged(path) != expected:
            sys.exit(f"lint.py: self-test: {path} is {'not ' if expected else ''}judged")
    for path, limit in (("cli/x/page.js", SOURCE), ("cli/x.h", HEADER), ("kernel_src/ptx/x.h", PTX)):
        if size_limit(path) != limit:
            sys.exit(f"lint.py: self-test: {path} may have {size_limit(path)} lines, expected {limit}")
    for text in ("/* asm */\n\nvoid f() {\n  asm volatile(\"nop\");\n}", "\n// __shared__\n\n__shared__ float tile[64];"):
        lines = [line for line, _ in check("kernel_src/sm80/x.cuh", text)]
        if lines != [4]:
            sys.exit(f"lint.py: self-test: {text!r}: lines {lines}, expected [4]")


def main() -> int:
    self_test()
    errors = warnings = 0
    files = sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*") if judged(p.relative_to(ROOT).as_posix()))
    for file in files:
        path = file.relative_to(ROOT).as_posix()
        text = file.read_text()
        for line, message in check(path, text):
            print(f"{path}:{line}: error: {message}")
            errors += 1
        lines, limit = text.count("\n"), size_limit(path)
        if lines > limit:
            print(f"{path}: warning: {lines} lines, the house has {limit}")
            warnings += 1
    print(f"lint: {len(files)} files, {errors} errors, {warnings} warnings")
    return errors > 0


if __name__ == "__main__":
    sys.exit(main())
