"""Feeds a reader with damaged input and counts what it does with it."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from judgeloop.schema.errors import JudgeLoopError
from judgeloop.schema.printable import printable

T = TypeVar("T")
CASES = int(os.environ.get("JUDGELOOP_FUZZ_CASES", "5000"))
"""Of all readers together."""
READERS = 15
LONGEST_S = 2.0
"""Processor time of one case."""


def feed(name: str, cases: st.SearchStrategy[T], read: Callable[[T], None]) -> None:
    """Feeds a reader with its share of the cases and prints the counts.

    Args:
        name: The reader's, for the counts.
        cases: Draws one.
        read: Reads one; it may raise errors of ours, whose messages can be shown, and nothing else.

    Raises:
        AssertionError: A case took too long, or an error's message cannot be shown.
        Exception: What the reader raised.
    """
    done = {"read": 0, "refused": 0}
    longest = 0.0

    @settings(
        max_examples=-(-CASES // READERS), deadline=None, database=None, derandomize=True,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(cases)
    def one(case: T) -> None:
        nonlocal longest
        began = time.process_time()
        try:
            read(case)
        except JudgeLoopError as error:
            done["refused"] += 1
            printable(str(error)).encode()
        else:
            done["read"] += 1
        taken = time.process_time() - began
        longest = max(longest, taken)
        assert taken < LONGEST_S, f"{taken:.1f} s: {str(case)[:500]}"

    one()
    print(
        f"{name}: {sum(done.values()):,} cases, {done['refused']:,} refused, "
        f"the longest took {longest:.2f} s"
    )
    assert sum(done.values()) > 0
