"""How a loop's last run ended, read from the ledger.

Kubeflow's status is not used: its exit handler sees RUNNING after an early stop and after a
cancellation, and a lost or killed pod leaves no error.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from judgeloop.runtime.ledger import Ledger
from judgeloop.schema.errors import ConfigError, DataError, PreflightError, StarvedError
from judgeloop.schema.results import Decision

State = Literal["finished", "continues", "cancelled", "failed", "interrupted"]
LASTING = frozenset(
    error.exit_code for error in (ConfigError, DataError, StarvedError, PreflightError)
)
"""Exit codes of failures that another run would repeat."""


class Ending(NamedTuple):
    """How a run of a loop ended."""

    state: State
    """`finished`: nothing is left to do. `continues`: the run's iterations are done, and another
    run continues the loop. `cancelled`: by a person. `failed`: another run would fail too.
    `interrupted`: a task had a transient failure, or was lost or killed."""
    decided: int
    """The last iteration that is decided; 0 where none is."""
    reason: str
    """Message on what happened; empty if the loop finished or continues."""

    @property
    def first(self) -> int:
        """The iteration that the loop's next run begins with."""
        return self.decided + 1


def read_ending(ledger: Ledger) -> Ending:
    """Reads how the last run of a loop ended, after all its tasks have ended.

    Raises:
        StoreError, DataError: The ledger cannot be read.
    """
    decisions = {
        iteration: manifests[0].expect(Decision).action
        for iteration, manifests in ledger.manifests("decide").items()
    }
    # A loop that stopped in iteration 3 begins with 3 again, since promotion is still to be done.
    decided = max((n for n, decision in decisions.items() if decision == "continue"), default=0)
    done = ledger.succeeded()
    # A failed report does not change the loop's result.
    failures = [entry for entry in ledger.failures() if entry.stage != "report"]
    if ledger.cancelled():
        return Ending("cancelled", decided, "the run was cancelled")
    if failures:
        first = failures[0]
        lasting = any(entry.exit_code in LASTING for entry in failures)
        reason = f"{first.name} failed: {first.error or 'no message'}"
        return Ending("failed" if lasting else "interrupted", decided, reason)
    if any(stage in ("promote", "record") for _, stage in done):
        return Ending("finished", decided, "")
    if decided and decided + 1 not in {iteration for iteration, _ in done}:
        return Ending("continues", decided, "")
    return Ending("interrupted", decided, "no task left an error: a pod was lost or killed")
