"""The pytest session that runs the mutants in place of its tests.

mutmut makes the mutants, switches between them and shows them. It collects the tests again for
each mutant, though, which takes longer than the tests. Here they are collected once; one fork runs
them all and notes which function each test reaches, and each mutant gets a fork that runs those
tests until one fails: varied ones first, the cheaper the earlier, up to a budget of seconds.
"""

import argparse
import fnmatch
import gc
import json
import os
import random
from collections import Counter, defaultdict
from collections.abc import Container, Iterator
from contextlib import chdir
from dataclasses import dataclass, field
from functools import _lru_cache_wrapper
from math import ceil
from pathlib import Path

import pytest
from mutmut.__main__ import walk_mutatable_files
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import mangled_name_from_mutant_name

from tests.mutants.fork import KILLED, NO_TESTS, SURVIVED, in_fork
from tests.mutants.table import print_table

SLACK_S = 3
"""CPU seconds that a fork gets beyond three times those its tests take on the code as it is."""
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


def clear_caches() -> None:
    """Clear what functions cached while tests were collected: a mutant could not be seen in it."""
    for each in gc.get_objects():
        if type(each) is _lru_cache_wrapper and each.__module__.startswith("judgeloop"):
            each.cache_clear()


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
        clear_caches()
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
            with chdir(self.root):
                data.save()
            if code != KILLED:
                print(mutant, status_by_exit_code[code], flush=True)
        print_table(files)
        return True

    def files(self) -> Iterator[SourceFileMutationData]:
        """The mutants of each file that is mutated, with the results so far."""
        with chdir(self.root):
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
