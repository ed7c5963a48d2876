"""The two gates of an iteration: `enough` after filtering, and `decide`, the stop rule."""

from __future__ import annotations

from collections.abc import Sequence

from judgeloop.method.filtering.funnel import explain_starvation
from judgeloop.schema.config import FilteringSection, LoopSection
from judgeloop.schema.keys import content_key
from judgeloop.schema.records import Manifest

VERSION = 1
SCORE = "both_orders"
TRAIN, STARVED = "train", "starved"
CONTINUE, STOP = "continue", "stop"


def enough(filtering: FilteringSection, iteration: int, examples: Manifest) -> Manifest:
    """Trains where filtering left enough examples; else the loop is starved and stops.

    Args:
        filtering: Its `min_examples` decides.
        iteration: 1, 2, ...
        examples: Manifest of `filter`.

    Returns:
        A manifest: `details` has `decision` (`train` or `starved`) and `reason`, which shows the
        funnel.
    """
    found, needed = examples.rows, filtering.min_examples
    decision, reason = TRAIN, f"{found} examples, and filtering.min_examples is {needed}"
    if found < needed:
        decision = STARVED
        reason = f"starved: {explain_starvation(examples.counts, examples.metrics, filtering)}"
    return Manifest(
        stage="enough",
        stage_version=VERSION,
        key=content_key("enough", VERSION, needed, iteration, examples.key),
        details={"decision": decision, "reason": reason},
        inputs=(examples.key,),
    )


def decide(loop: LoopSection, iteration: int, validations: Sequence[Manifest]) -> Manifest:
    """Goes on while validation improves and the bound is not reached.

    The loop stops after `loop.patience` iterations in a row whose held-out both-order accuracy is
    not above the best before them by more than `loop.min_delta`.

    Args:
        loop: The bound and the stop rule.
        iteration: The one that was validated last.
        validations: Scores on held-out pairs of iteration 0 (the start model), 1, ...

    Returns:
        A manifest: `details` has `decision` (`continue` or `stop`) and `reason`; metrics `score`
        and `best_before`.
    """
    scores = [manifest.metrics[SCORE] for manifest in validations]
    stale = stale_iterations(scores, loop.min_delta)
    if stale >= loop.patience:
        decision, reason = (
            STOP,
            f"held-out both-order accuracy did not rise by more than {loop.min_delta} for "
            f"{stale} iteration(s): {', '.join(f'{score:.3f}' for score in scores)}",
        )
    elif iteration >= loop.iterations:
        decision, reason = STOP, f"loop.iterations = {loop.iterations} reached"
    else:
        decision, reason = (
            CONTINUE,
            f"held-out both-order accuracy {scores[-1]:.3f}, best before {max(scores[:-1]):.3f}",
        )
    keys = tuple(manifest.key for manifest in validations)
    return Manifest(
        stage="decide",
        stage_version=VERSION,
        key=content_key("decide", VERSION, loop, iteration, keys),
        details={"decision": decision, "reason": reason},
        metrics={"score": scores[-1], "best_before": max(scores[:-1])},
        inputs=keys,
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
