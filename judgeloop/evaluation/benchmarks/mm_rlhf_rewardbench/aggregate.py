"""MM-RLHF-RewardBench's figures: Acc over pairs, Acc+ over questions whose pairs are all right.

Source: `inference/MM-RLHF-Reward/get_acc.py` of r1_reward. As there, a question is in the group of
any of its pairs for the number of questions, and in the first such group for the number right.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from judgeloop.evaluation.benchmarks.base import Figures, Item, Output
from judgeloop.evaluation.benchmarks.intervals import Outcome
from judgeloop.evaluation.benchmarks.mm_rlhf_rewardbench.load import GROUPS
from judgeloop.evaluation.benchmarks.mm_rlhf_rewardbench.parse import official
from judgeloop.evaluation.statistics import wilson

ALL = "all"


def aggregate(items: Sequence[Item], outputs: Sequence[Output]) -> Figures:
    """Returns the figures of the first output of each item."""
    by_key = {item.key: item for item in items}
    right: dict[str, bool] = {}
    for output in outputs:
        right.setdefault(output.item, _is_right(output))
    questions: defaultdict[str, list[Item]] = defaultdict(list)
    for key in right:
        questions[by_key[key].id].append(by_key[key])
    figures = {ALL: _figures([by_key[key] for key in right], list(questions.values()), right)}
    for name in GROUPS:
        pairs = [by_key[key] for key in right if by_key[key].group == name]
        if pairs:
            figures[name] = _group_figures(name, pairs, list(questions.values()), right)
    outcomes = (Outcome(by_key[key].group, by_key[key].image, each) for key, each in right.items())
    return Figures(
        official=figures,
        maps={},
        lines=tuple(_lines(figures)),
        outcomes=tuple(outcomes),
        intervals={
            ("acc_plus" if name == ALL else f"acc_plus/{name}"): wilson(
                found["questions_correct"], found["questions"]
            )
            for name, found in figures.items()
        },
    )


def _is_right(output: Output) -> bool:
    if output.scores is not None:
        return output.scores[0] > output.scores[1]
    return official(output.text or "") == (1 if output.chosen_first else 2)


def _figures(
    pairs: Sequence[Item], questions: Sequence[Sequence[Item]], right: dict[str, bool]
) -> dict[str, Any]:
    whole = sum(all(right[item.key] for item in question) for question in questions)
    return _named(sum(right[item.key] for item in pairs), len(pairs), whole, len(questions))


def _group_figures(
    name: str,
    pairs: Sequence[Item],
    questions: Sequence[Sequence[Item]],
    right: dict[str, bool],
) -> dict[str, Any]:
    within = [found for found in questions if any(item.group == name for item in found)]
    whole = sum(
        all(right[item.key] for item in question) and _first_group(question) == name
        for question in within
    )
    return _named(sum(right[item.key] for item in pairs), len(pairs), whole, len(within))


def _first_group(question: Sequence[Item]) -> str:
    return next(name for name in GROUPS if any(item.group == name for item in question))


def _named(correct: int, total: int, whole: int, questions: int) -> dict[str, Any]:
    return {
        "correct": correct,
        "total": total,
        "accuracy": correct / total if total else None,
        "questions_correct": whole,
        "questions": questions,
        "acc_plus": whole / questions if questions else None,
    }


def _lines(figures: dict[str, dict[str, Any]]) -> list[str]:
    lines = []
    for name, found in [*figures.items()][1:]:
        lines += [f"Category: {name}", *_three(found, "  Accuracy", "  ACC+", "  Total")]
    return lines + _three(figures[ALL], "Overall Accuracy", "Overall ACC+", "Total Items")


def _three(found: dict[str, Any], accuracy: str, acc_plus: str, total: str) -> list[str]:
    shown = ("undefined" if found[name] is None else f"{found[name]:.2f}"
             for name in ("accuracy", "acc_plus"))  # fmt: skip
    return [
        f"{accuracy}: {next(shown)}",
        f"{acc_plus}: {next(shown)}",
        f"{total}: {found['total']}",
    ]
