"""The single faults that script/mutate puts into C code: finds their places and selects a sample."""

import dataclasses
import os
import random
import re

# Lines whose change no test is asked to notice: assertions, log lines, preprocessor, comments and tables of messages.
QUIET = re.compile(r"^\s*(#|//|/?\*|assert\(|log_\w+\(|static_assert|return 0;$)")
TEST_CODE = re.compile(r"(_test\.c|_fixture\.c|/fixture\.c|/fake_[^/]*\.c|/testdata/)")
NUMBER = re.compile(r"(?<![\w.\"'\[\\%])(\d+)(?![\w.\"'\]])")
CALL = re.compile(r"^(\s+)([a-z]\w+)\((.*)\);$")
COMPARISON = re.compile(r" (<=|>=|<|>) ")
# Calls that a compiler or a sanitizer needs nothing of: dropping them changes no behaviour that can be tested.
HARMLESS_CALLS = {"explicit_bzero", "memset", "malloc_trim", "sodium_memzero", "va_end", "va_start"}


@dataclasses.dataclass
class Fault:
    kind: str
    path: str
    line: int  # from 0
    old: str
    new: str

    def describe(self):
        return f"`{self.path}:{self.line + 1}` {self.kind}: `{self.old.strip()}` -> `{self.new.strip() or '(nothing)'}`"


def closing_paren(text, start):
    """The index of the parenthesis that closes the one at start, or -1 when it is on another line."""
    depth = 0
    for i in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if depth == 0:
            return i
    return -1


def negated(line):
    match = re.match(r"^(\s*(?:\} else )?if )\(", line)
    if not match:
        return
    end = closing_paren(line, match.end() - 1)
    if end > 0:
        yield f"{match.group(1)}(!({line[match.end():end]})){line[end + 1:]}"


def off_by_one(line):
    other = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
    for match in COMPARISON.finditer(line):
        if "for (" not in line and '"' not in line and " ? " not in line:
            yield line[: match.start(1)] + other[match.group(1)] + line[match.end(1) :]


def dropped_call(line):
    match = CALL.match(line)
    if match and match.group(2) not in HARMLESS_CALLS and closing_paren(line, match.end(2)) == len(line) - 2:
        yield ""


def swapped(line):
    for match in re.finditer(r"(?<=[(,] )?\b([a-z]\w*(?:->\w+)*), ([a-z]\w*(?:->\w+)*)(?=[,)])", line):
        if match.group(1) != match.group(2) and "for (" not in line and line.startswith("    "):
            yield line[: match.start()] + f"{match.group(2)}, {match.group(1)}" + line[match.end() :]


def wrong_constant(line):
    if not line.startswith("    ") or '"' in line or "{0}" in line:
        return
    for match in NUMBER.finditer(line):
        value = int(match.group(1))
        yield line[: match.start()] + str(value + 1 if value < 1000 else value // 2) + line[match.end() :]
    for word, other in (("true", "false"), ("false", "true")):
        for match in re.finditer(rf"\b{word}\b", line):
            yield line[: match.start()] + other + line[match.end() :]


KINDS = {
    "negated condition": negated,
    "off by one": off_by_one,
    "dropped call": dropped_call,
    "swapped arguments": swapped,
    "wrong constant": wrong_constant,
}


def body_lines(text):
    """The numbers and texts of the lines in the bodies of functions."""
    inside = False
    for number, line in enumerate(text.split("\n")):
        if line == "{" or (line.endswith(") {") and not line.startswith(" ")):
            inside = True
        elif line == "}":
            inside = False
        elif inside and not QUIET.match(line):
            yield number, line


def faults_of(path, kind):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return [Fault(kind, path, number, line, new) for number, line in body_lines(text) for new in KINDS[kind](line)]


def sources_by_folder(sources):
    folders = {}
    for path in sources:
        if not TEST_CODE.search(path):
            folders.setdefault(os.path.dirname(path), []).append(path)
    return folders


def shares(folders, number):
    """How many faults each folder gets: by its size in bytes, the largest remainders first."""
    sizes = {folder: sum(map(os.path.getsize, paths)) for folder, paths in folders.items()}
    exact = {folder: number * size / sum(sizes.values()) for folder, size in sizes.items()}
    given = {folder: int(share) for folder, share in exact.items()}
    for folder in sorted(exact, key=lambda f: given[f] - exact[f])[: number - sum(given.values())]:
        given[folder] += 1
    return given


def select(sources, number, seed):
    """A list of `number` faults, spread over the folders and the kinds; more as spares for those that do not compile."""
    rng = random.Random(seed)
    folders = sources_by_folder(sources)
    kinds = list(KINDS)
    chosen = []
    for folder, share in sorted(shares(folders, number).items()):
        for _ in range(share):
            chosen.append(pick_some(rng, sorted(folders[folder]), kinds[len(chosen) % len(kinds)]))
    return chosen


def pick_some(rng, paths, kind):
    """Up to eight candidates of one kind in one folder: the first that compiles is tried."""
    found = [fault for path in paths for fault in faults_of(path, kind)]
    if not found:
        found = [fault for path in paths for fault in faults_of(path, "negated condition")]
    return rng.sample(found, min(8, len(found)))
