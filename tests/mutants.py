"""Run mutmut's mutants in forks of one pytest session: `make mutants` (see mutants.md).

mutmut makes the mutants, switches between them and shows them. It collects the tests again for
each mutant, though, which takes longer than the tests. Here they are collected once; one fork runs
them all and notes which function each test reaches, and each mutant gets a fork that runs those
tests until one fails: varied ones first, the cheaper the earlier, up to a budget of seconds.
"""

import argparse
import ctypes
import fnmatch
import gc
import json
import os
import random
import resource
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from mutmut.__main__ import (
    copy_also_copy_files,
    copy_src_dir,
    create_mutants,
    setup_source_paths,
    walk_mutatable_files,
)
from mutmut.configuration import config
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import mangled_name_from_mutant_name

KILLED, SURVIVED, NO_TESTS, TIMEOUT = 1, 0, 33, 36
SLACK_S = 3
"""CPU seconds that a fork gets beyond three times those its tests take on the code as it is."""
WALL = 10
"""Seconds for each CPU second: the machine may be busy, and a mutant may wait for ever."""
PR_SET_PDEATHSIG = 1
COVERAGE = Path("coverage.jsonl")


@dataclass
class Coverage:
    """Which tests pass on the code as it is, their CPU seconds, and the functions they reach."""

    seconds: dict[str, float] = field(default_factory=dict)
    tests: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    reach: dict[str, int] = field(default_factory=dict)

    def cost(self, test: str) -> float:
        """What a test takes, and how little it says of one function."""
        return self.seconds[test] * self.reach[test]


class Mutants:
    """A pytest plugin: in place of the tests, runs the mutants."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.root = Path.cwd().parent
        self.kills: Counter[tuple[str, str]] = Counter()
        self.failed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note that a test failed."""
        self.failed = self.failed or report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the mutants that were asked for and have no result yet; print a table of all."""
        items = {item.nodeid: item for item in session.items}
        gc.freeze()
        self.cover(session)
        coverage = self.covered(items)
        files = list(self.files())
        for data, mutant in self.chosen(files):
            function = mangled_name_from_mutant_name(mutant)
            tests = self.in_order(function, coverage)
            run = [items[test] for test in tests]
            limit_s = SLACK_S + ceil(3 * sum(coverage.seconds[test] for test in tests))
            code, killer = NO_TESTS, None
            if run:
                code, killer = in_fork(session, lambda m=mutant, r=run: self.test(m, r), limit_s)
            if killer:
                self.kills[function, killer] += 1
            data.exit_code_by_key[mutant] = code
            with inside(self.root):
                data.save()
            if code != KILLED:
                print(mutant, status_by_exit_code[code], flush=True)
        print_table(files)
        return True

    def files(self) -> Iterator[SourceFileMutationData]:
        """The mutants of each file that is mutated, with the results so far."""
        with inside(self.root):
            for path in sorted(walk_mutatable_files()):
                data = SourceFileMutationData(path=path)
                data.load()
                yield data

    def chosen(
        self, files: list[SourceFileMutationData]
    ) -> Iterator[tuple[SourceFileMutationData, str]]:
        """The mutants to run: the first of each file, then the second of each, all shuffled.

        Wherever the run is stopped, what was run is a sample of each file.
        """
        patterns, size = self.options.patterns or ["*"], self.options.sample
        ranked = []
        for data in files:
            names = sorted(data.exit_code_by_key)
            random.Random(f"{self.options.seed} {data.path}").shuffle(names)
            ranked += [(rank, data, name) for rank, name in enumerate(names[:size])]
        for _, data, name in sorted(ranked, key=lambda one: one[0]):
            named = any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
            if named and (data.exit_code_by_key[name] is None or self.options.again):
                yield data, name

    def in_order(self, function: str, coverage: Coverage) -> list[str]:
        """The tests of a function, up to the budget: those first that killed its other mutants.

        Then the cheap ones that reach few functions: the tests of the module itself.
        """
        tests = sorted(
            coverage.tests.get(function, ()),
            key=lambda test: (-self.kills[function, test], coverage.cost(test)),
        )
        left, order = self.options.budget, []
        for test in tests:
            if coverage.seconds[test] <= left or not order:
                order.append(test)
                left -= coverage.seconds[test]
        return order

    def cover(self, session: pytest.Session) -> None:
        """Run the tests that were not seen yet on the code as it is, and append what they reach."""
        known = self.covered(None).seconds
        new = [item for item in session.items if item.nodeid not in known]
        print(f"running {len(new):,} of {len(session.items):,} tests on the code as it is")
        if new:
            in_fork(session, lambda: self.record(new), limit_s=3600)

    def record(self, items: list[pytest.Item]) -> tuple[int, None]:
        """Run tests, and append a line for each."""
        set_mutant_under_test("stats")
        with COVERAGE.open("a") as lines:
            for item, following in zip(items, [*items[1:], None], strict=True):
                self.failed = False
                state()._stats.clear()
                begin = sum(os.times()[:4])
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                seconds = None if self.failed else round(sum(os.times()[:4]) - begin, 3)
                print(
                    json.dumps([item.nodeid, seconds, sorted(state()._stats)]),
                    file=lines,
                    flush=True,
                )
        return 0, None

    def covered(self, items: Container[str] | None) -> Coverage:
        """What is known of the tests, or of those of `items` that pass.

        What one case of a test reaches, the others count as reaching: they may find it in a cache.
        """
        lines = COVERAGE.read_text().splitlines() if COVERAGE.exists() else []
        reached: dict[str, set[str]] = defaultdict(set)
        coverage = Coverage()
        for test, seconds, functions in map(json.loads, lines):
            reached[test.partition("[")[0]].update(functions)
            if items is None or (seconds is not None and test in items):
                coverage.seconds[test] = seconds
        for test in coverage.seconds:
            functions = reached[test.partition("[")[0]]
            coverage.reach[test] = len(functions)
            for function in functions:
                coverage.tests[function].add(test)
        return coverage

    def test(self, mutant: str, items: list[pytest.Item]) -> tuple[int, str | None]:
        """Run tests on a mutant until one fails; gives that one."""
        set_mutant_under_test(mutant)
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failed:
                item.session._setupstate.teardown_exact(None)
                return KILLED, item.nodeid
        return SURVIVED, None


class inside:
    """Work in a folder for a while."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        self.before = Path.cwd()
        os.chdir(self.folder)

    def __exit__(self, *_: object) -> None:
        os.chdir(self.before)


def in_fork(
    session: pytest.Session, work: Callable[[], tuple[int, Any]], limit_s: int
) -> tuple[int, Any]:
    """What `work` gives in a fork of this process; a timeout where it takes too long."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        code = 3
        with suppress(BaseException):
            os.setsid()
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s))
            session.config.pluginmanager.unregister(name="terminalreporter")
            with open(write, "w") as pipe:
                json.dump(work(), pipe)
            code = 0
        os._exit(code)
    os.close(write)
    timer = signal.signal(signal.SIGALRM, lambda *_: os.killpg(child, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, limit_s * WALL)
    with open(read) as pipe:
        answer = pipe.read()
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, timer)
    _, status = os.waitpid(child, 0)
    if answer and not status:
        code, value = json.loads(answer)
        return code, value
    return (TIMEOUT if os.WIFSIGNALED(status) else KILLED), None


def print_table(files: list[SourceFileMutationData]) -> None:
    """Print what is known of the mutants of each file, as a table in Markdown."""
    columns = ["killed", "timeout", "survived", "no tests"]
    print("| module | mutants | run | killed | timeout | survived | no tests |")
    print("| --- |" + " --- |" * 6)
    total: Counter[str] = Counter()
    for data in files:
        found = Counter(status_by_exit_code[code] for code in data.exit_code_by_key.values())
        found |= Counter({"mutants": found.total(), "run": found.total() - found["not checked"]})
        total += found
        print_row(str(data.path), found, columns)
    print_row("all", total, columns)


def print_row(name: str, found: Counter[str], columns: list[str]) -> None:
    """Print one line of the table."""
    cells = [name, *(f"{found[column]:,}" for column in ("mutants", "run", *columns))]
    print(f"| {' | '.join(cells)} |", flush=True)


def main() -> int:
    """Make the mutants that are missing, and run."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("patterns", nargs="*", help="names of mutants, such as judgeloop.schema.*")
    parser.add_argument("--sample", type=int, help="at most so many of each file")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--budget", type=float, default=5, help="seconds of tests for a mutant")
    parser.add_argument("--again", action="store_true", help="also those that have a result")
    options = parser.parse_args()
    del sys.modules["tests"]  # pytest imports the copy that the mutants see
    copy_src_dir()
    copy_also_copy_files()
    setup_source_paths()
    create_mutants(1)
    selection = [*config().pytest_add_cli_args, *config().pytest_add_cli_args_test_selection]
    os.chdir("mutants")
    own = ["--rootdir=.", "--basetemp=../build/mutants-tmp", "-q", "-s"]
    return int(pytest.main([*own, *selection], plugins=[Mutants(options)]))


if __name__ == "__main__":
    sys.exit(main())
