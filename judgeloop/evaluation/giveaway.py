"""Warns where the wording of rejected answers gives them away."""

from __future__ import annotations

from judgeloop.evaluation.statistics import wilson
from judgeloop.method.filtering.blind import MIN_PAIRS


def explain_giveaway(guesses: int, right: int) -> str | None:
    """Returns a warning if a blind judge can identify the rejected answers; None otherwise.

    It can if the whole 95 % interval of its accuracy lies above chance.

    Args:
        guesses: Number of kept pairs on which the blind judge guessed.
        right: Number of guesses that were right.
    """
    if guesses < MIN_PAIRS:
        return None
    found = wilson(right, guesses)
    if found.low <= 0.5:
        return None
    return (
        "a blind judge, which sees neither image nor question, finds the rejected answers of "
        f"kept pairs in {right / guesses:.3f} [{found.low:.3f}, {found.high:.3f}] of {guesses} "
        "cases, chance is 0.5: their wording gives them away, and a judge may learn that instead "
        "of looking. Compare chosen and rejected answers in synthesize/ in the store; other "
        "errors in synthesis.errors, other alteration prompts or a higher "
        "synthesis.min_length_ratio may help"
    )
