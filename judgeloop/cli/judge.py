"""`judgeloop judge`: judges a file of answer pairs."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from judgeloop.cli import options
from judgeloop.cli.command import command
from judgeloop.cli.judge_selection import SelectedJudge, judge_options


@command(
    "judge",
    "judgeloop judge pairs.jsonl --judge models:/judgeloop-tiny@champion --out verdicts.jsonl",
    "judgeloop judge pairs.jsonl --judge models:/judge/3 --engine vllm --samples 4 "
    "--temperature 0.7 --out verdicts.jsonl",
)
@click.argument("pairs", type=options.FILE, metavar="PAIRS.jsonl")
@judge_options("--judge")
@click.option("--out", type=options.LOCAL_PATH, required=True, metavar="VERDICTS.jsonl")
@options.sampling
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def judge(
    pairs: Path,
    asked: SelectedJudge,
    out: Path,
    samples: int,
    temperature: float,
    max_tokens: int | None,
    as_json: bool,
) -> str:
    """Judge every pair of a JSONL file in both orders.

    A row has `id`, `images` (paths relative to the file), `question`, and `a` and `b` with an
    optional `label`, or `chosen` and `rejected`. Interrupted and started again, it resumes.

    Raises:
        ConfigError: An argument cannot be used.
        DataError: No row could be judged.
        EngineError: The engine cannot run the judge.
    """
    from judgeloop.batch.run import BatchSettings, judge_file
    from judgeloop.schema.sampling import Sampling

    sampling = None
    if temperature or max_tokens:
        sampling = Sampling(temperature=temperature, max_tokens=max_tokens or 1024)
    settings = BatchSettings(
        judge=asked.name,
        engine=asked.engine,
        prompts=asked.prompts,
        samples=samples,
        sampling=sampling,
        max_pixels=asked.max_pixels,
    )
    done = 0

    def advance(rows: int) -> None:
        nonlocal done
        done += rows
        sys.stderr.write(f"judged {done} pairs\n")

    sys.stderr.write(f"loading {asked.name}\n")
    summary = judge_file(pairs, out, settings, advance)
    if as_json:
        return msgspec.json.encode(summary).decode()
    return "\n".join(f"{name} {value}" for name, value in msgspec.to_builtins(summary).items())
