"""Python's garbage collector in short processes that import large libraries."""

from __future__ import annotations

import atexit
import gc

_ALLOCATIONS_A_COLLECTION = 100_000
_LEFT_OUT_AT_START = 1_000
"""More objects than Python itself freezes at its start: 375 in 3.12, none in 3.11 and 3.13."""


def collect_rarely() -> None:
    """Makes the collector run a hundred times less often, and not at exit.

    Torch and Transformers create millions of objects that live until the end; scanning them
    repeatedly takes a quarter of their import time.
    """
    gc.set_threshold(_ALLOCATIONS_A_COLLECTION, 50, 100)
    atexit.register(gc.freeze)


def keep_imported() -> None:
    """Excludes existing objects from later collections (`gc.freeze`), after `collect_rarely`.

    Call it after large libraries were imported: a collection, such as the one when an engine is
    closed, scans their objects for a third of a second. Without `collect_rarely`, as in a
    notebook, it does nothing. Only the first call has an effect: a later one could freeze an
    engine that is to be freed.
    """
    rarely = gc.get_threshold()[0] == _ALLOCATIONS_A_COLLECTION
    if rarely and gc.get_freeze_count() < _LEFT_OUT_AT_START:
        gc.freeze()
