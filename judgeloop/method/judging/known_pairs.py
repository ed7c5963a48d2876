"""Judges pairs whose preference is known, for training: plain, attacked, with permuted options."""

from __future__ import annotations

import msgspec

from judgeloop.method.judging.attacks import ATTACKS, attacked_answers
from judgeloop.method.judging.orders import judge_texts, shown_answers
from judgeloop.method.judging.permuted_options import with_permuted_options
from judgeloop.method.prompts.base import JudgePrompts
from judgeloop.method.steps import Steps, together
from judgeloop.schema.keys import fraction
from judgeloop.schema.method_sections import JudgingSection
from judgeloop.schema.records import Judgement, Order, Pair, Repeated


def judge_known_pair(
    prompts: JudgePrompts, pair: Pair, settings: JudgingSection, permutes: bool, seed: int
) -> Steps[list[Judgement]]:
    """Judges a pair in both orders, all its requests together.

    Args:
        prompts: Prompt set of the judge.
        pair: What to judge.
        settings: Sampling, samples per order, and the share of pairs that are attacked: these are
            judged with an attack in the rejected answer, of a kind that is drawn for each.
        permutes: Judge a question with options a second time, with the options permuted.
        seed: Of the loop.

    Returns:
        As `judge_pair`; where the options were permuted, each judgement holds that of the same
        sample and order on the permuted question.
    """
    attack = drawn_attack(pair, settings.attacked_share, seed)
    name = f"{pair.id}/{attack}" if attack else pair.id
    asked = {name: pair}
    if permutes and (permuted := with_permuted_options(pair, seed)) is not None:
        asked[f"{name}/permuted options"] = permuted

    def shown(order: Order) -> tuple[str, str]:
        return answers_with_attack(prompts, pair, attack, order)

    first, *again = yield from together(
        [
            judge_texts(prompts, each, id_, shown, settings.sampling, settings.samples, seed)
            for id_, each in asked.items()
        ]
    )
    if attack:
        first = [msgspec.structs.replace(judgement, attack=attack) for judgement in first]
    for repeated in again:
        first = [
            msgspec.structs.replace(one, permuted=Repeated(
                text=other.text, verdict=other.verdict, finish_reason=other.finish_reason,
                tokens=other.tokens,
            ))
            for one, other in zip(first, repeated, strict=True)
        ]  # fmt: skip
    return first


def drawn_attack(pair: Pair, share: float, seed: int) -> str:
    """Draws the kind of attack that a pair is judged with; empty for none."""
    if fraction("attacked for training", seed, pair.id) >= share:
        return ""
    kinds = sorted(ATTACKS)
    return kinds[int(fraction("kind of attack", seed, pair.id) * len(kinds))]


def answers_with_attack(
    prompts: JudgePrompts, pair: Pair, attack: str, order: Order
) -> tuple[str, str]:
    """Returns the texts shown as answer A and answer B; `attack` may be empty: no attack."""
    if attack:
        return attacked_answers(prompts, pair, attack, order)
    return shown_answers(pair, order)
