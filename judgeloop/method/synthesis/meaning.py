"""Asks the base whether an altered copy says something else than its original.

Comparing the texts cannot tell a planted error from another choice of words. This costs a request a
copy, so it is an option (`synthesis.check_meaning`).
"""

from __future__ import annotations

import msgspec

from judgeloop.method.prompts import PromptSet
from judgeloop.method.synthesis.answers import final_answer
from judgeloop.method.synthesis.phrases import read_yes_no
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.keys import seed_for
from judgeloop.schema.method_sections import SynthesisSection
from judgeloop.schema.records import Dropped, Pair
from judgeloop.schema.requests import Request, Response


def compare_request(
    prompts: PromptSet, pair: Pair, settings: SynthesisSection, seed: int
) -> Request:
    """Asks, at temperature 0, whether a pair's two answers contradict each other.

    Raises:
        ConfigError: The prompt set has no such prompt.
    """
    text = prompts.compare(pair.question, pair.chosen, pair.rejected)
    if text is None:
        raise ConfigError(
            f"synthesis.check_meaning: the prompt set `{prompts.name}` cannot ask what texts mean; "
            "set it to false or use other prompts"
        )
    return Request(
        id=pair.question.id,
        text=text,
        images=pair.question.images,
        purpose="compare",
        variables={
            "question": pair.question.text,
            "original": pair.chosen,
            "copy": pair.rejected,
        },
        sampling=msgspec.structs.replace(settings.alter, temperature=0.0),
        seed=seed_for("compare", seed, pair.question.id),
    )


def pair_that_differs(pair: Pair, response: Response) -> Pair | Dropped:
    """Returns the pair where the base says that the copy contradicts the original."""
    if response.error is not None:
        return Dropped(id=pair.question.id, reason="engine_error", detail=response.error)
    sample = response.samples[0]
    final = final_answer(sample.text) if sample.finish_reason == "stop" else None
    answer = None if final is None else read_yes_no(final)
    if answer == "yes":
        return pair
    reason = "same_meaning" if answer == "no" else "unclear_meaning"
    return Dropped(id=pair.question.id, reason=reason, detail=sample.text[-200:])
