"""`judgeloop judge`: judges a file of answer pairs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from judgeloop.cli.options import Subcommands, add_judge, add_sampling, local_path


def add(commands: Subcommands) -> None:
    """Declares the command."""
    command = commands.add_parser(
        "judge",
        help="judge a JSONL file of answer pairs, resumable",
        description="Judges every pair of a JSONL file in both orders. A row has `id`, `images` "
        "(paths relative to the file), `question`, and `a` and `b` with an optional `label`, or "
        "`chosen` and `rejected`. Stopped and started again it goes on where it was.",
        epilog="example: judgeloop judge pairs.jsonl --judge models:/judgeloop-tiny@champion "
        "--out verdicts.jsonl",
    )
    command.add_argument("pairs", type=Path, metavar="PAIRS.jsonl")
    add_judge(command, "--judge")
    command.add_argument("--out", type=local_path, required=True, metavar="VERDICTS.jsonl")
    add_sampling(command)
    command.add_argument("--json", action="store_true", help="print the summary as JSON")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> str:
    """Judges the file; returns the summary.

    Raises:
        ConfigError: The arguments name nothing that can be used.
        DataError: No row could be judged.
        EngineError: The engine cannot run the judge.
    """
    from judgeloop.batch.run import BatchSettings, judge_file
    from judgeloop.schema.sampling import Sampling

    sampling = None
    if options.temperature or options.max_tokens:
        sampling = Sampling(temperature=options.temperature, max_tokens=options.max_tokens or 1024)
    settings = BatchSettings(
        judge=options.judge,
        engine=options.engine,
        prompts=options.prompts,
        samples=options.samples,
        sampling=sampling,
        max_pixels=options.max_pixels,
    )
    done = 0

    def advance(rows: int) -> None:
        nonlocal done
        done += rows
        sys.stderr.write(f"judged {done} pairs\n")

    sys.stderr.write(f"loading {options.judge}\n")
    summary = judge_file(options.pairs, options.out, settings, advance)
    if options.json:
        return msgspec.json.encode(summary).decode()
    return "\n".join(f"{name} {value}" for name, value in msgspec.to_builtins(summary).items())
