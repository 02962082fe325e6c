"""Tries single faults against the tests; see script/mutate.

Each worker has a clone in build-mutate/J with a sanitizer build and a Docker engine. An integration file notices a fault
when it fails in two runs, because a file may fail once on a loaded machine by itself.
"""

import argparse
import concurrent.futures
import glob
import json
import os
import queue
import re
import shutil
import subprocess

import faults

ROOT = os.getcwd()
FOLDER = os.path.join(ROOT, "build-mutate")
INTEGRATION_SECONDS = 240
UNIT_SECONDS = 300
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1:exitcode=99",
}


def run(command, cwd, seconds, env=None):
    """Runs a command with its output in a log; returns whether it ended with status 0 in time."""
    with open(os.path.join(cwd, "mutate.log"), "ab") as log:
        try:
            done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == 0


class Worker:
    """A clone of the project with a build and an engine."""

    def __init__(self, number):
        self.clone = os.path.join(FOLDER, str(number))
        self.build = os.path.join(self.clone, "build-asan")
        self.engine_dir = f"/tmp/dockmon-mutate-engine.{os.getpid()}.{number}"
        self.env = dict(os.environ, **SANITIZERS, DOCKMON_BIN_DIR=self.build)
        shutil.rmtree(self.clone, ignore_errors=True)
        subprocess.run(["git", "clone", "-q", ROOT, self.clone], check=True)
        os.symlink(os.path.join(ROOT, "tests/integration/node_modules"),
                   os.path.join(self.clone, "tests/integration/node_modules"))
        make = '. script/lib/common.sh; asan_build'
        subprocess.run(["sh", "-c", make, os.path.join(self.clone, "script/mutate")], cwd=self.clone, check=True,
                       stdout=subprocess.DEVNULL)
        host = subprocess.run(["script/engine", "start", self.engine_dir], cwd=self.clone, check=True,
                              capture_output=True, text=True).stdout.strip()
        self.env["DOCKER_HOST"] = host

    def close(self):
        subprocess.run(["script/engine", "stop", self.engine_dir], cwd=self.clone, check=False)

    def compile(self):
        return run(["ninja", "-C", self.build, "--quiet"], self.clone, 900)

    def unit_tests(self, folder):
        """The names of the unit tests whose source is in the folder."""
        read = subprocess.run(["meson", "introspect", self.build, "--targets", "--tests", "-a"], cwd=self.clone,
                              check=True, capture_output=True, text=True)
        known = json.loads(read.stdout)
        where = {}
        for target in known["targets"]:
            sources = [s for group in target["target_sources"] for s in group.get("sources", [])]
            if any(os.path.dirname(os.path.relpath(s, self.clone)) == folder and s.endswith("_test.c") for s in sources):
                where[target["filename"][0]] = True
        return [test["name"] for test in known["tests"] if test["cmd"][0] in where]

    def unit_notices(self, folder):
        names = self.unit_tests(folder)
        if names and not run(["meson", "test", "-C", self.build, "--no-rebuild", "--timeout-multiplier", "2", *names],
                             self.clone, UNIT_SECONDS, self.env):
            return "unit tests"
        return None

    def integration_passes(self, name):
        return run(["timeout", "-k", "5", str(INTEGRATION_SECONDS), "node", "--test", f"tests/integration/{name}"],
                   self.clone, INTEGRATION_SECONDS + 10, self.env)

    def integration_notices(self, folder):
        """Returns the first file that fails twice, since a loaded machine makes some fail once."""
        for name in suites_of(folder, self.clone):
            if not self.integration_passes(name) and not self.integration_passes(name):
                return name
        return None

    def attempt(self, candidates):
        """Returns the fault that was tried and what noticed it, or None when no candidate compiles."""
        for fault in candidates:
            path = os.path.join(self.clone, fault.path)
            with open(path, encoding="utf-8") as file:
                kept = file.read()
            lines = kept.split("\n")
            lines[fault.line] = fault.new
            try:
                write(path, "\n".join(lines))
                if self.compile():
                    folder = os.path.dirname(fault.path)
                    return fault, self.unit_notices(folder) or self.integration_notices(folder)
            finally:
                write(path, kept)
        return None


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def suites_of(folder, clone):
    """The integration files for a folder: those of the longest matching row of the table."""
    best = ("", "")
    with open(os.path.join(clone, "script/lib/mutate_suites.tsv"), encoding="utf-8") as table:
        for line in table:
            if line.strip() and not line.startswith("#"):
                prefix, pattern = line.split()
                if folder.startswith(prefix) and len(prefix) > len(best[0]):
                    best = (prefix, pattern)
    files = sorted(map(os.path.basename, glob.glob(os.path.join(clone, "tests/integration/*.test.mjs"))))
    wanted = [re.compile(rf"{part}\.test\.mjs") for part in best[1].split("|")]
    return [name for pattern in wanted for name in files if pattern.fullmatch(name)]


def report(results):
    rows = ["| # | fault | noticed by |", "|---|---|---|"]
    for number, result in sorted(results.items()):
        fault, noticed = result
        rows.append(f"| {number} | {fault.describe()} | {noticed or '**nothing**'} |")
    return "\n".join(rows) + "\n"


def try_all(samples, jobs):
    workers = queue.Queue()
    made = []
    for number in range(jobs):
        made.append(Worker(number))
        workers.put(made[-1])

    def one(number, candidates):
        worker = workers.get()
        try:
            result = worker.attempt(candidates)
        finally:
            workers.put(worker)
        if result:
            print(f"{number}: {result[0].describe()}: {result[1] or 'NOT NOTICED'}", flush=True)
        else:
            print(f"{number}: no candidate compiles", flush=True)
        return number, result

    try:
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            done = pool.map(lambda item: one(*item), samples)
            return {number: result for number, result in done if result}
    finally:
        for worker in made:
            worker.close()


def main():
    parser = argparse.ArgumentParser(usage="script/mutate N SEED [--jobs J] [--list] [--only K,...]")
    parser.add_argument("number", type=int)
    parser.add_argument("seed", type=int)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--only", type=lambda text: {int(k) for k in text.split(",")})
    args = parser.parse_args()

    listed = subprocess.run(["git", "ls-files", "src/*.c"], check=True, capture_output=True, text=True).stdout.split()
    samples = list(enumerate(faults.select(listed, args.number, args.seed), 1))
    if args.only:
        samples = [(number, candidates) for number, candidates in samples if number in args.only]
    if args.list:
        for number, candidates in samples:
            print(f"{number}: {candidates[0].describe()}")
        return 0
    os.makedirs(FOLDER, exist_ok=True)
    results = try_all(samples, args.jobs)
    write(os.path.join(FOLDER, "table.md"), report(results))
    noticed = sum(1 for _, name in results.values() if name)
    print(f"{noticed} of {len(results)} faults were noticed; table: build-mutate/table.md")
    return 0 if noticed * 10 >= len(results) * 9 else 1


if __name__ == "__main__":
    raise SystemExit(main())
