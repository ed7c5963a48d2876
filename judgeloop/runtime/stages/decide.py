"""The two gates of an iteration: `enough` after filtering, and `decide`, the stop rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from judgeloop.method.filtering.funnel import explain_starvation
from judgeloop.runtime.stage_key import stage_manifest
from judgeloop.schema.config import Config
from judgeloop.schema.records import Manifest
from judgeloop.schema.results import Decision, Funnel, Scores, Supply

Action = Literal["continue", "stop"]


def enough(config: Config, examples: Manifest) -> Manifest:
    """Trains where filtering left enough examples; else the loop is starved and stops.

    Args:
        config: Its `filtering.min_examples` decides.
        examples: Manifest of `filter`.

    Returns:
        A manifest with a `Supply`, whose reason shows the funnel.
    """
    filtering = config.filtering
    found, needed = examples.rows, filtering.min_examples
    supply = Supply(
        action="train", reason=f"{found} examples, and filtering.min_examples is {needed}"
    )
    if found < needed:
        explained = explain_starvation(examples.expect(Funnel), filtering)
        supply = Supply(action="starved", reason=f"starved: {explained}")
    return msgspec.structs.replace(
        stage_manifest("enough", config, examples=examples), result=supply
    )


def decide(config: Config, iteration: int, validations: Sequence[Manifest]) -> Manifest:
    """Continues while validation improves and the bound is not reached.

    The loop stops after `loop.patience` iterations in a row whose held-out both-order accuracy is
    not above the best before them by more than `loop.min_delta`.

    Args:
        config: Its section `loop` has the bound and the stop rule.
        iteration: The one that was validated last.
        validations: Scores on held-out pairs of iteration 0 (the start model), 1, ...

    Returns:
        A manifest with a `Decision`.
    """
    loop = config.loop
    action: Action
    scores = [manifest.expect(Scores).card.both_orders for manifest in validations]
    stale = stale_iterations(scores, loop.min_delta)
    if stale >= loop.patience:
        action, reason = (
            "stop",
            f"held-out both-order accuracy did not rise by more than {loop.min_delta} for "
            f"{stale} iteration(s): {', '.join(f'{score:.3f}' for score in scores)}",
        )
    elif iteration >= loop.iterations:
        action, reason = "stop", f"loop.iterations = {loop.iterations} reached"
    else:
        action, reason = (
            "continue",
            f"held-out both-order accuracy {scores[-1]:.3f}, best before {max(scores[:-1]):.3f}",
        )
    return msgspec.structs.replace(
        stage_manifest("decide", config, iteration=iteration, validations=validations),
        result=Decision(
            action=action, reason=reason, score=scores[-1], best_before=max(scores[:-1])
        ),
    )


def stale_iterations(scores: list[float], min_delta: float) -> int:
    """Counts the last iterations in a row in which the best score rose by `min_delta` at most.

    Args:
        scores: Of iteration 0 (the start model), 1, ...
        min_delta: What counts as a rise.
    """
    best, stale = scores[0], 0
    for score in scores[1:]:
        stale = 0 if score > best + min_delta else stale + 1
        best = max(best, score)
    return stale
