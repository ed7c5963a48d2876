"""Python's garbage collector in short processes that import large libraries."""

from __future__ import annotations

import atexit
import gc

_ALLOCATIONS_A_COLLECTION = 100_000
_LEFT_OUT_AT_START = 1_000
"""More objects than Python itself leaves out of collections: 375 in 3.12, none in 3.11 and 3.13."""


def collect_rarely() -> None:
    """Makes the collector run a hundred times less often, and not at the process's end.

    Torch and Transformers make millions of objects that live until the end; looking through them
    again and again is a quarter of what importing them takes.
    """
    gc.set_threshold(_ALLOCATIONS_A_COLLECTION, 50, 100)
    atexit.register(gc.freeze)


def keep_imported() -> None:
    """Leaves what exists by now out of every later collection, after `collect_rarely`.

    To be called when large libraries were imported: a collection, as an engine makes one when it is
    closed, looks through their objects for a third of a second. Elsewhere, as in a notebook, where
    other objects may become garbage, it does nothing. It does so once: what a later call finds may
    be an engine that is to be freed.
    """
    rarely = gc.get_threshold()[0] == _ALLOCATIONS_A_COLLECTION
    if rarely and gc.get_freeze_count() < _LEFT_OUT_AT_START:
        gc.freeze()
