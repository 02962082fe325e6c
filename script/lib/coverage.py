"""Sums up gcov's counters: prints a table per folder and the source files that no test has reached.

Usage: coverage.py BUILD_DIR TABLE UNREACHED [--strict]
Writes the table as Markdown to TABLE, and every function that was not called to UNREACHED. With --strict the exit
status is 1 when a product source file was not reached.
"""

import collections
import json
import os
import re
import subprocess
import sys

# Code that exists for tests only.
TEST_CODE = re.compile(r"(_test\.[ch]|_fixture\.[ch]|/fixture\.[ch]|/fake_[^/]*\.[ch]|/temporary_dir\.h|/script_test\.h)$")


def product_sources():
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", "src/*.c"],
                         check=True, capture_output=True).stdout
    return {name for name in out.decode().split("\0") if os.path.isfile(name) and not TEST_CODE.search(name)}


def documents_of(build):
    """The JSON documents of gcov, one per object."""
    notes = []
    for folder, _, files in os.walk(build):
        notes += [os.path.relpath(os.path.join(folder, f), build) for f in files if f.endswith(".gcno")]
    for first in range(0, len(notes), 40):
        # gcov prints errors about objects without counters, whose programs have not run.
        out = subprocess.run(["gcov", "--json-format", "--stdout", *notes[first : first + 40]], cwd=build,
                             check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        for line in out.splitlines():
            if line.startswith(b"{"):
                yield json.loads(line)


def counters_of(build):
    """{source: ({line: count}, {(first line, function): count})}, summed over the objects."""
    root = os.getcwd()
    sources = collections.defaultdict(lambda: (collections.Counter(), collections.Counter()))
    for document in documents_of(build):
        for one in document["files"]:
            path = os.path.normpath(os.path.join(document["current_working_directory"], one["file"]))
            path = os.path.relpath(path, root)
            # Objects of a source that was renamed stay in the build folder.
            if not path.startswith("src/") or TEST_CODE.search(path) or not os.path.isfile(path):
                continue
            lines, functions = sources[path]
            for line in one["lines"]:
                lines[line["line_number"]] += line["count"]
            for function in one["functions"]:
                functions[function["start_line"], function["name"]] += function["execution_count"]
    return sources


def reached(counter):
    return sum(1 for count in counter.values() if count)


def table(sources):
    folders = collections.defaultdict(lambda: [0, 0, 0, 0])
    for path, (lines, functions) in sources.items():
        for folder in (os.path.dirname(path), "all"):
            for i, n in enumerate((reached(lines), len(lines), reached(functions), len(functions))):
                folders[folder][i] += n
    yield "| folder | lines | reached | | functions | reached | |"
    yield "|---|---|---|---|---|---|---|"
    for folder in [*sorted(set(folders) - {"all"}), "all"]:
        lines, n_lines, functions, n_functions = folders[folder]
        name = folder if folder == "all" else f"`{folder}/`"
        yield (f"| {name} | {n_lines} | {lines} | {100 * lines // max(n_lines, 1)} % "
               f"| {n_functions} | {functions} | {100 * functions // max(n_functions, 1)} % |")


def main(build, table_path, unreached_path, *options):
    sources = counters_of(build)
    rows = list(table(sources))
    with open(table_path, "w", encoding="utf-8") as f:
        f.write("\n".join(rows) + "\n")
    print("\n".join(rows))
    with open(unreached_path, "w", encoding="utf-8") as f:
        for path in sorted(sources):
            for (line, name), count in sorted(sources[path][1].items()):
                if not count:
                    f.write(f"{path}:{line}: {name}()\n")
    missed = []
    for path in sorted(product_sources()):
        if path not in sources:
            # A file that has only tables has an object but no code.
            stem = os.path.basename(path)
            if not any(stem + ".gcno" in name or name.endswith("_" + stem + ".gcno")
                       for _, _, files in os.walk(build) for name in files):
                missed.append(path + " (not compiled)")
        elif sources[path][0] and not reached(sources[path][0]):
            missed.append(path)
    print(f"\nfunctions that no test reaches: {unreached_path}")
    print("source files that no test reaches:" + "".join("\n    " + path for path in missed or ["none"]))
    return 1 if missed and "--strict" in options else 0


sys.exit(main(*sys.argv[1:]))
