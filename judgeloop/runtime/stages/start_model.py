"""Records the start model's figures in MLflow, beside those of the versions trained from it.

Held-out figures are known before the first iteration, and `register` records them. Gold figures are
measured in parallel to the iterations: whether they exist when a version is registered depends on
the order of tasks. So `promote`, which waits for them, records them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from judgeloop.registry.notes import start_note
from judgeloop.registry.tracking import NOTE_TAG, Run, iteration_run, log_curves, log_run
from judgeloop.registry.versions import add_to_description
from judgeloop.runtime.ledger import BASE_ITERATION
from judgeloop.schema.results import Registered, Scores

N = TypeVar("N", int, float)
CURVES = (
    *("validation/accuracy", "validation/both_orders", "validation/first_position"),
    *("evaluation/accuracy", "evaluation/both_orders", "evaluation/first_position"),
    *("examples/kept_share", "training/last_loss", "training/examples"),
)
"""Figures that are curves over the iterations of a loop."""


def curve_points(
    figures: Mapping[int, Mapping[str, float]],
) -> dict[str, list[tuple[int, float]]]:
    """Returns (iteration, value) by the name of each curve.

    Args:
        figures: Figures by iteration, 0 for the start model; figures not in `CURVES` are left out.
    """
    return {
        name: [(step, found[name]) for step, found in figures.items() if name in found]
        for name in CURVES
    }


def enter_start_gold(
    parent: Run, loop_id: str, versions: Sequence[tuple[int, Registered]], scores: Scores
) -> None:
    """Records the start model's gold figures on a loop's run, and in each version's description.

    Args:
        parent: The loop's run.
        loop_id: The loop.
        versions: Registered versions, with their iterations.
        scores: Scores of the start model on the gold pairs.

    Raises:
        RegistryError: MLflow cannot be used.
    """
    figures = prefixed("evaluation", scores.metrics())
    log_run(parent, prefixed("start", figures), {}, {})
    log_curves(parent, curve_points({BASE_ITERATION: figures}))
    note = start_note(figures)
    for iteration, version in versions:
        text = add_to_description(version.model_name, version.version, note)
        log_run(iteration_run(parent, loop_id, iteration), {}, {}, {NOTE_TAG: text})


def prefixed(prefix: str, values: dict[str, N]) -> dict[str, N]:
    """Returns values under names that begin with `prefix/`."""
    return {f"{prefix}/{name}": value for name, value in values.items()}
