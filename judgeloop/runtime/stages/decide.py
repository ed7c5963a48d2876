"""Decide: the stop rule, from held-out synthetic pairs alone."""

from __future__ import annotations

from judgeloop.method.filtering.funnel import explain_starvation
from judgeloop.runtime.ledger import Ledger
from judgeloop.schema.config import Config
from judgeloop.schema.keys import content_key
from judgeloop.schema.records import Manifest

STAGE = "decide"
VERSION = 1
SCORE = "both_orders"


def decide(config: Config, ledger: Ledger, iteration: int) -> Manifest:
    """Goes on while validation improves and the bound is not reached.

    The loop stops after `loop.patience` iterations in a row whose held-out both-order accuracy is
    not above the best before them by more than `loop.min_delta`.

    Returns:
        A manifest: `details` has `decision` (`continue` or `stop`) and `reason`; metrics `score`
        and `best_before`.
    """
    scores = [
        manifests[0].metrics[SCORE]
        for number, manifests in sorted(ledger.manifests("validate").items())
        if number <= iteration
    ]
    settings = config.loop
    stale = stale_iterations(scores, settings.min_delta)
    if stale >= settings.patience:
        decision, reason = (
            "stop",
            (
                f"held-out both-order accuracy did not rise by more than {settings.min_delta} for "
                f"{stale} iteration(s): {', '.join(f'{score:.3f}' for score in scores)}"
            ),
        )
    elif iteration >= settings.iterations:
        decision, reason = "stop", f"loop.iterations = {settings.iterations} reached"
    else:
        decision, reason = (
            "continue",
            (f"held-out both-order accuracy {scores[-1]:.3f}, best before {max(scores[:-1]):.3f}"),
        )
    return _decision(
        config,
        ledger,
        iteration,
        decision,
        reason,
        {
            "score": scores[-1],
            "best_before": max(scores[:-1]),
        },
    )


def decide_starved(config: Config, ledger: Ledger, iteration: int, examples: Manifest) -> Manifest:
    """Stops the loop because filtering left too few examples; the reason shows the funnel."""
    reason = explain_starvation(examples.counts, examples.metrics, config.filtering)
    return _decision(config, ledger, iteration, "stop", f"starved: {reason}", {})


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


def _decision(
    config: Config,
    ledger: Ledger,
    iteration: int,
    decision: str,
    reason: str,
    metrics: dict[str, float],
) -> Manifest:
    return Manifest(
        stage=STAGE,
        stage_version=VERSION,
        key=content_key(STAGE, VERSION, config.loop, ledger.loop_id, iteration, decision, reason),
        details={"decision": decision, "reason": reason},
        metrics=metrics,
    )
