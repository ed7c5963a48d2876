"""The model card of an exported judge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from judgeloop.models.judge import JudgeModel
from judgeloop.registry.judge_file import JudgeFile

_HEADER = "| measured on | figure | value [95 %] | pairs |"
PAPER = "https://arxiv.org/abs/2512.05145"
_FIGURES = {"accuracy": "accuracy by single verdict", "both_orders": "right in both orders"}
_SETS = {"evaluation": "gold pairs", "validation": "held-out synthetic pairs"}
LIMITS = """- It compares two answers to a question about images; it scores no answer alone.
- A winner is one that wins in both orders: ask both, since one order may favor a position.
- It learned from pairs that its own base made: what the base cannot see, it cannot judge.
- The figures hold for the data that they were measured on."""


def model_card(name: str, found: JudgeModel, judge: JudgeFile | None, *, merged: bool) -> str:
    """Returns a card in Markdown, with the front matter that model hubs read.

    Args:
        name: The judge's name.
        found: Its model and prompt set.
        judge: Its judge file; None if only an adapter is known.
        merged: The folder holds whole weights.
    """
    model = found.model
    lines = [
        "---",
        f"base_model: {json.dumps(model.base)}",
        f"library_name: {'transformers' if merged else 'peft'}",
        "pipeline_tag: image-text-to-text",
        "tags: [judgeloop, preference, vision-language]",
        "---",
        f"# {name}",
        "",
        "A judge of answers about images, fine-tuned without human labels on its own judgements",
        f"(method: [Self-Improving VLM Judges Without Human Annotations]({PAPER}); made by",
        "judgeloop, an independent implementation).",
        "",
        "## Use",
        "```",
        f"judgeloop verdict --model THIS_FOLDER --prompts {found.prompts} --image scene.png \\",
        '    --question "..." --a "..." --b "..."',
        "```",
        "",
        "## Made from",
        f"- base `{model.base}`, revision `{model.revision or 'none'}`",
        f"- adapter with the hash `{model.adapter_sha256 or 'unknown'}`",
        f"- prompt set `{found.prompts}`, images of at most {found.max_pixels} pixels",
    ]
    lines += _made(judge) if judge else ["- how it was trained is not recorded"]
    return "\n".join([*lines, "", "## Limits", LIMITS, ""])


def _section(judge: JudgeFile, name: str) -> dict[str, Any]:
    found = judge.config.get(name)
    return found if isinstance(found, dict) else {}


def _made(judge: JudgeFile) -> Iterator[str]:
    data, training = (_section(judge, name) for name in ("data", "training"))
    yield f"- questions `{data.get('questions')}`; no label of a person was used in training"
    made = f"loop `{judge.loop_id}`, iteration {judge.iteration}"
    yield f"- {made}, judgeloop {judge.judgeloop_version}"
    yield f"- LoRA of rank {training.get('rank')}, learning rate {training.get('learning_rate')}"
    shards = ", ".join(f"`{each[:12]}`" for each in judge.examples)
    yield f"- {len(judge.examples)} shards of examples: {shards}"
    if judge.controls:
        yield f"- CONTROL ARM of a study, not the method: {', '.join(judge.controls)}"
    yield from ("", "## Figures", _HEADER, "| --- | --- | --- | --- |")
    for place, where in _SETS.items():
        for figure, said in _FIGURES.items():
            value = judge.metrics.get(f"{place}/{figure}")
            if value is None:
                continue
            low, high = (judge.metrics.get(f"{place}/{figure}_{end}") for end in ("low", "high"))
            interval = "" if low is None or high is None else f" [{low:.3f}, {high:.3f}]"
            count = judge.counts.get(f"{place}/n", judge.counts.get(place, "unknown"))
            yield f"| {where} | {said} | {value:.3f}{interval} | {count} |"
