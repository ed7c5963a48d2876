"""`judgeloop verdict`: two answers to one question, judged in both orders.

`--json` prints one `PairJudgement`; with `--beside-base` it has one of the base as `base`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click
import msgspec

from judgeloop.cli import options
from judgeloop.cli.command import command
from judgeloop.cli.judge_selection import SelectedJudge, judge_options
from judgeloop.method.judging.comparison import SIDES, PairJudgement


@command(
    "verdict",
    "judgeloop verdict --run runs/demo --image scene.png \\\n"
    "      --question caption --a 'red circle north' --b 'blue circle north'",
)
@judge_options("--model")
@click.option("--image", "images", multiple=True, required=True, metavar="FILE", help="Repeatable.")
@click.option("--question", required=True)
@click.option("--a", required=True, help="One answer.")
@click.option("--b", required=True, help="The other answer.")
@click.option(
    "--beside-base",
    is_flag=True,
    help="Ask the judge's base as well, to see what training changed.",
)
@options.sampling
@options.as_json
def verdict(
    asked: SelectedJudge,
    images: Sequence[str],
    question: str,
    a: str,
    b: str,
    beside_base: bool,
    samples: int,
    temperature: float,
    max_tokens: int | None,
    as_json: bool,
) -> str:
    """Judge two answers to one question in both orders; a side wins only if it wins in both.

    Raises:
        ConfigError: The base is requested, and the judge is a base itself.
        JudgeLoopError: The judge, an image or the engine cannot be used.
    """
    sys.stderr.write(f"loading {asked.name}\n")
    from judgeloop.judge import Judge, image_bytes

    for image in images:
        image_bytes(image)  # report a missing file before the judge is downloaded
    with Judge.load(
        asked.name, engine=asked.engine, prompts=asked.prompts, max_pixels=asked.max_pixels
    ) as judge:
        result = judge.judge(
            question,
            list(images),
            a,
            b,
            samples=samples,
            temperature=temperature,
            max_tokens=max_tokens,
            beside_base=beside_base,
        )
    return msgspec.json.encode(result).decode() if as_json else describe(result)


def describe(result: PairJudgement) -> str:
    """Describes a judgement: each order's reasoning, then the verdict over both.

    The base comes before the judge, so that the last line is always the judge's verdict.
    """
    if result.base is None:
        return "\n".join([*_reasonings(result), f"verdict: {_said(result.winner, result.reason)}"])
    return "\n".join(
        [
            *_reasonings(result.base, "the base: "),
            *_reasonings(result, "the judge: "),
            f"verdict of the base: {_said(result.base.winner, result.base.reason)}",
            f"verdict: {_said(result.winner, result.reason)}",
        ]
    )


def _reasonings(result: PairJudgement, who: str = "") -> list[str]:
    lines = []
    for one in result.judgements:
        second = next(side for side in SIDES if side != one.shown_first)
        lines += [
            f"[{who}{one.shown_first} shown first, {second} shown second]",
            one.text.strip(),
            f"-> {_said(one.winner, one.reason)}",
            "",
        ]
    return lines


def _said(winner: str | None, reason: str | None) -> str:
    return f"undecided ({reason})" if winner is None else f"{winner} is better"
