"""The two gates of an iteration: `enough` after filtering, and `decide`, the stop rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from judgeloop.evaluation.stopping import Step, pair_results, steps
from judgeloop.method.filtering.funnel import explain_starvation
from judgeloop.runtime.stage_key import stage_manifest
from judgeloop.runtime.stage_settings import DecideSettings, EnoughSettings, StopRule
from judgeloop.schema.records import ItemResult, Manifest
from judgeloop.schema.results import Decision, Funnel, Scores, Supply
from judgeloop.store import Store
from judgeloop.store.shards import read_records

Action = Literal["continue", "stop"]


def enough(config: EnoughSettings, examples: Manifest) -> Manifest:
    """Decides to train if filtering left enough examples; else the loop is starved and stops.

    Args:
        config: Its `filtering.min_examples` is used.
        examples: Manifest of `filter`.

    Returns:
        A manifest with a `Supply`, whose reason shows the funnel.
    """
    found, needed = examples.rows, config.filtering.min_examples
    supply = Supply(
        action="train", reason=f"{found} examples, and filtering.min_examples is {needed}"
    )
    if found < needed:
        explained = explain_starvation(examples.expect(Funnel), needed)
        supply = Supply(action="starved", reason=f"starved: {explained}")
    return msgspec.structs.replace(
        stage_manifest("enough", config, examples=examples), result=supply
    )


def decide(
    config: DecideSettings, iteration: int, validations: Sequence[Manifest], store: Store
) -> Manifest:
    """Decides to continue while validation may improve and iterations are left.

    The loop stops after `loop.patience` iterations in a row without a gain: by a paired test
    (`judgeloop.evaluation.stopping`) or, without `loop.stop_error`, where the held-out both-order
    accuracy is not above the best before by more than `loop.min_delta`.

    Args:
        config: Its section `loop` has the maximum of iterations and the stop rule.
        iteration: The iteration that was validated last.
        validations: Scores on held-out pairs of iteration 0 (the start model), 1, ...
        store: Store of their item results.

    Returns:
        A manifest with a `Decision`.

    Raises:
        DataError: The judges were not validated on the same pairs.
    """
    loop = config.loop
    scores = [manifest.expect(Scores).card.both_orders for manifest in validations]
    tested = None
    if loop.stop_error is None:
        stale, reason = _by_scores(loop, scores)
    else:
        judges = (pair_results(list(read_records(store, made, ItemResult))) for made in validations)
        found = steps(list(judges), loop.min_gain, loop.stop_error)
        tested, stale, reason = found[-1], stale_steps(found), explain(loop, found, scores)
    action: Action = "continue"
    if stale >= loop.patience:
        action = "stop"
    elif iteration >= loop.iterations:
        action, bound = "stop", f"loop.iterations = {loop.iterations} reached"
        reason = f"{bound}; {reason}" if tested else bound
    decision = Decision(
        action=action, reason=reason, score=scores[-1], best_before=max(scores[:-1]),
        outcome=tested.outcome if tested else None,
        pairs=tested.pairs if tested else 0,
        pairs_needed=tested.needed if tested else None,
    )  # fmt: skip
    header = stage_manifest("decide", config, iteration=iteration, validations=validations)
    return msgspec.structs.replace(header, result=decision)


def _by_scores(loop: StopRule, scores: list[float]) -> tuple[int, str]:
    """Returns the number of iterations in a row without a rise, and a description of the scores."""
    stale = stale_iterations(scores, loop.min_delta)
    if stale < loop.patience:
        best = f"best before {max(scores[:-1]):.3f}"
        return stale, f"held-out both-order accuracy {scores[-1]:.3f}, {best}"
    return stale, (
        f"held-out both-order accuracy did not rise by more than {loop.min_delta} for "
        f"{stale} iteration(s): {_listed(scores)}"
    )


def stale_steps(found: Sequence[Step]) -> int:
    """Counts the last iterations in a row in which a gain of `min_gain` is ruled out."""
    stale = 0
    for step in found:
        stale = stale + 1 if step.outcome == "no_gain" else 0
    return stale


def explain(loop: StopRule, found: Sequence[Step], scores: list[float]) -> str:
    """Describes the result of the paired test for the last iteration."""
    last = found[-1]
    said = (
        f"held-out both-order accuracy {_listed(scores)}: {last.difference:+.3f} against iteration "
        f"{last.best}, at most {last.upper:+.3f}, on {last.pairs} pairs; "
    )
    gain = f"a gain of {loop.min_gain}"
    match last.outcome:
        case "gain":
            return said + "it rose"
        case "no_gain":
            return said + f"{gain} is ruled out (error {loop.stop_error})"
        case "unclear":
            return said + f"{gain} is not ruled out"
    return said + (
        f"cannot know: the stop rule needs about {last.needed} pairs to rule out {gain}; raise "
        "validation.share, or the loop goes on to loop.iterations"
    )


def _listed(scores: list[float]) -> str:
    return ", ".join(f"{score:.3f}" for score in scores)


def stale_iterations(scores: list[float], min_delta: float) -> int:
    """Counts the last iterations in a row in which the best score rose by at most `min_delta`.

    Args:
        scores: Scores of iteration 0 (the start model), 1, ...
        min_delta: A rise must be larger than this.
    """
    best, stale = scores[0], 0
    for score in scores[1:]:
        stale = 0 if score > best + min_delta else stale + 1
        best = max(best, score)
    return stale
