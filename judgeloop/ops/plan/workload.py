"""Estimates the work of each stage of a loop: requests and tokens."""

from __future__ import annotations

import msgspec

from judgeloop.method.judging.attacks import ATTACKS
from judgeloop.ops.plan.shapes import ModelShape
from judgeloop.schema.config import Config


class Questions(msgspec.Struct, frozen=True, kw_only=True):
    """Known or assumed figures of the questions."""

    count: int
    open_share: float
    """Share of captions and long answers."""
    options_share: float
    """Share of all questions that are closed and have options."""
    unsure_share: float
    """Share of questions whose kind the base's own answers would decide."""
    images: float
    """Images per question, on average."""
    image_pixels: float
    """Pixels per image, on average."""
    text_tokens: float
    """Tokens of a question's text, on average."""


class Assumptions(msgspec.Struct, frozen=True, kw_only=True):
    """Figures that are unknown before the run; each is printed with the plan.

    No GPU run of judgeloop was measured, so these are stated guesses, not averages.
    """

    answer_share: float = 0.35
    """Length of an answer or a judgement, as a share of its `max_tokens`."""
    open_yield: float = 0.8
    """Pairs per open question."""
    closed_yield: float = 0.35
    """Pairs per closed question: votes without a tie that are not unanimous."""
    kept_share: float = 0.5
    """Share of pairs whose judgements are kept by the filter."""
    prompt_words: float = 150
    """Tokens of a prompt without question and answers."""


class StageWork(msgspec.Struct, frozen=True, kw_only=True):
    """The work of one stage in one iteration, or once per loop."""

    stage: str
    runs: int
    """Number of runs of the stage in the loop."""
    requests: float
    """Sampled answers, or training rows, per run."""
    prompt_tokens: float
    """Prompt tokens per run; a prompt with several samples is counted once."""
    completion_tokens: float
    """Generated tokens, or training tokens, per run."""


def asked_each_iteration(config: Config, questions: Questions) -> float:
    """Returns the number of questions from which an iteration makes pairs."""
    training = questions.count * (1 - config.validation.share)
    return min(config.data.per_iteration or training, training)


def pairs_of(count: float, questions: Questions, assumed: Assumptions) -> float:
    """Returns the number of pairs from a number of questions."""
    share = questions.open_share
    return count * (share * assumed.open_yield + (1 - share) * assumed.closed_yield)


def loop_work(
    config: Config, shape: ModelShape, questions: Questions, gold: int, assumed: Assumptions
) -> list[StageWork]:
    """Returns the work of every stage that runs the model.

    Args:
        config: The loop's configuration; all iterations are counted, although a loop may stop
            earlier.
        shape: The model.
        questions: The questions of one iteration and of the held-out part together.
        gold: Gold pairs.
        assumed: The assumptions.
    """
    image_tokens = questions.images * shape.image_tokens(questions.image_pixels)
    asked = image_tokens + questions.text_tokens
    held_out = questions.count * config.validation.share
    per_iteration = asked_each_iteration(config, questions)
    iterations = config.loop.iterations
    answer = assumed.answer_share * config.synthesis.answer.max_tokens
    judged = asked + 2 * answer + assumed.prompt_words

    def pairs(count: float) -> float:
        return pairs_of(count, questions, assumed)

    def synthesis(stage: str, count: float, runs: int) -> StageWork:
        return _synthesis(config, questions, assumed, stage, count, runs, asked)

    def judging(stage: str, count: float, runs: int, samples: int, max_tokens: int) -> StageWork:
        wanted = assumed.answer_share * max_tokens
        return StageWork(
            stage=stage, runs=runs, requests=2 * count * samples,
            prompt_tokens=2 * count * judged, completion_tokens=2 * count * samples * wanted,
        )  # fmt: skip

    settings, sampling = config.training, config.judging.sampling
    examples = 2 * pairs(per_iteration) * config.judging.samples * assumed.kept_share
    examples = min(examples, config.filtering.max_examples or examples)
    rows = (
        examples * settings.epochs
        if settings.epochs is not None
        else float((settings.max_steps or 0) * settings.batch_size)
    )
    # A pair whose question has options is judged again, with permuted options.
    permuted = (
        per_iteration * questions.options_share * assumed.closed_yield
        if config.filtering.permuted_options
        else 0.0
    )
    attacked = min(config.evaluation.attacks, gold) * len(ATTACKS)
    trained = assumed.answer_share * sampling.max_tokens
    return [
        synthesis("hold_out", held_out, 1),
        synthesis("synthesize", per_iteration, iterations),
        judging(
            "judge",
            pairs(per_iteration) + permuted,
            iterations,
            config.judging.samples,
            sampling.max_tokens,
        ),
        StageWork(
            stage="train", runs=iterations, requests=rows,
            prompt_tokens=rows * judged, completion_tokens=rows * trained,
        ),
        judging(
            "validate", pairs(held_out), iterations + 1, 1, config.validation.sampling.max_tokens
        ),
        judging(
            "evaluate", gold + attacked, iterations + 1, 1, config.evaluation.sampling.max_tokens
        ),
    ]  # fmt: skip


def _synthesis(
    config: Config,
    questions: Questions,
    assumed: Assumptions,
    stage: str,
    count: float,
    runs: int,
    asked: float,
) -> StageWork:
    """Returns the work of synthesis: open questions are altered, closed ones answered N times.

    A question of unsure kind is answered before, to determine its kind. With `check_meaning` each
    pair's texts are read again.
    """
    settings = config.synthesis
    is_open, closed = count * questions.open_share, count * (1 - questions.open_share)
    answer, altered, vote = (
        assumed.answer_share * sampling.max_tokens
        for sampling in (settings.answer, settings.alter, settings.vote)
    )
    words = assumed.prompt_words
    compared = is_open * assumed.open_yield * settings.check_meaning
    routed = count * questions.unsure_share * bool(settings.route_samples)
    return StageWork(
        stage=stage,
        runs=runs,
        requests=is_open * (1 + settings.alter_tries)
        + compared
        + closed * settings.vote_samples
        + routed * settings.route_samples,
        prompt_tokens=is_open * (2 * (asked + words) + answer)
        + compared * (asked + 2 * answer + words)
        + (closed + routed) * (asked + words),
        completion_tokens=is_open * (answer + altered * settings.alter_tries)
        + compared * altered
        + closed * settings.vote_samples * vote
        + routed * settings.route_samples * answer,
    )
