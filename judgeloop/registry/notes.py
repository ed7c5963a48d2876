"""Descriptions of a model, its versions and its runs for MLflow's pages, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping

_FIGURES = ("validation", "held-out synthetic pairs"), ("evaluation", "gold pairs")


def model_note(model_name: str) -> str:
    """Returns the description of a registered model."""
    return (
        "A judge of vision-language models, trained by judgeloop without human preference labels: "
        "given images, a question and two answers, it reasons and says which answer is better.\n\n"
        "- `champion`: the version in use; it moves only where the promotion gate says so\n"
        "- `candidate`: the newest version\n"
        "- `previous`: the champion before\n\n"
        f"To ask it: `judgeloop verdict --model models:/{model_name}@champion`"
    )


def loop_note(loop_id: str, base: str, iterations: int) -> str:
    """Returns the description of a loop's run."""
    return (
        f"Loop `{loop_id}`: trains `{base}` as a judge in at most {iterations} iterations. Figures "
        "by iteration are its curves. Step 0 is the start model, whose figures are all in the "
        "metrics `start/...`. The report and its pictures are artifacts of this run."
    )


def iteration_note(
    iteration: int, examples: int, metrics: Mapping[str, float], start: Mapping[str, float]
) -> str:
    """Returns the description of an iteration's run and of its version.

    Args:
        iteration: 1, 2, ...
        examples: Number of judgements that it was trained on.
        metrics: Figures of the iteration, by names such as `validation/both_orders`.
        start: Figures of the start model that are known so far, by the same names.
    """
    lines = [f"Iteration {iteration}, trained on {examples:,} of the judge's own judgements."]
    for stage, pairs in _FIGURES:
        if right := _both_orders(stage, metrics):
            before = _both_orders(stage, start)
            beside = f"; the start model on {before}" if before else ""
            lines.append(f"- right in both orders on {right} of the {pairs}{beside}")
    return "\n".join(lines)


def start_note(start: Mapping[str, float]) -> str:
    """Returns the line of a version's description about the start model on gold pairs.

    Args:
        start: Figures of the start model, by names such as `evaluation/both_orders`.
    """
    return (
        f"- the start model is right in both orders on {_both_orders('evaluation', start)} of them"
    )


def _both_orders(stage: str, metrics: Mapping[str, float]) -> str:
    """Returns both-order accuracy with its interval; empty where there is no figure."""
    name = f"{stage}/both_orders"
    if name not in metrics:
        return ""
    low, high = (metrics.get(f"{name}_{end}") for end in ("low", "high"))
    interval = "" if low is None or high is None else f" [{low:.3f}, {high:.3f}]"
    return f"{metrics[name]:.3f}{interval}"
