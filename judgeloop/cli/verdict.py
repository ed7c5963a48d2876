"""`judgeloop verdict`: two answers to one question, judged in both orders.

`--json` prints one `PairJudgement`; with `--beside-base` it has one of the base as `base`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from judgeloop.cli.options import Subcommands, add_judge, add_sampling
from judgeloop.method.judging.comparison import SIDES, PairJudgement


def add(commands: Subcommands) -> None:
    """Declares the command."""
    command = commands.add_parser("verdict", help="judge two answers in both orders")
    add_judge(command, "--model")
    command.add_argument("--image", type=Path, action="append", required=True, help="repeatable")
    command.add_argument("--question", required=True)
    command.add_argument("--a", required=True, help="one answer")
    command.add_argument("--b", required=True, help="the other answer")
    command.add_argument(
        "--beside-base",
        action="store_true",
        help="ask the judge's base as well, to see what training changed",
    )
    add_sampling(command)
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> str:
    """Judges and describes.

    Raises:
        ConfigError: The base is asked for, and the judge is one itself.
        JudgeLoopError: The judge, an image or the engine cannot be used.
    """
    from judgeloop.judge import Judge

    with Judge.load(
        options.model,
        engine=options.engine,
        prompts=options.prompts,
        max_pixels=options.max_pixels,
    ) as judge:
        result = judge.judge(
            options.question,
            options.image,
            options.a,
            options.b,
            samples=options.samples,
            temperature=options.temperature,
            max_tokens=options.max_tokens,
            beside_base=options.beside_base,
        )
    return msgspec.json.encode(result).decode() if options.json else describe(result)


def describe(result: PairJudgement) -> str:
    """Returns a judgement for people: each order's reasoning, then the verdict over both.

    The base comes before the judge, so that the last line is the judge's verdict in any case.
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
