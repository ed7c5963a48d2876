"""`judgeloop verdict`: two answers to one question, judged in both orders."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import msgspec

from judgeloop.commands.options import Subcommands
from judgeloop.errors import DataError
from judgeloop.judging.single import PairVerdict
from judgeloop.records import Choice


def add(commands: Subcommands) -> None:
    """Declares the command."""
    command = commands.add_parser("verdict", help="judge two answers in both orders")
    command.add_argument(
        "--model",
        required=True,
        help="models:/judge@champion, an adapter or model folder, builtin:tiny-vlm, or a hub id",
    )
    command.add_argument("--image", type=Path, action="append", required=True, help="repeatable")
    command.add_argument("--question", required=True)
    command.add_argument("--a", required=True, help="one answer")
    command.add_argument("--b", required=True, help="the other answer")
    command.add_argument(
        "--prompts", help="prompt set; default: the one the judge was trained with"
    )
    command.add_argument("--max-tokens", type=_positive, help="default: what the prompts need")
    command.add_argument("--max-pixels", type=_positive, default=20_000_000)
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> str:
    """Judges and describes; raises as `verdict`."""
    result = verdict(options)
    return msgspec.json.encode(result).decode() if options.json else describe(result)


def verdict(options: argparse.Namespace) -> PairVerdict:
    """Judges one pair of answers in both orders.

    Raises:
        JudgeLoopError: The judge, the image or the engine cannot be used.
    """
    from judgeloop.engines import Sampling, open_engine
    from judgeloop.engines.settings import EngineSection
    from judgeloop.images import ImageLibrary
    from judgeloop.judge_model import find_judge
    from judgeloop.judging.single import judge_answers
    from judgeloop.models import SCRIPTED
    from judgeloop.prompts import load_prompts
    from judgeloop.records import Kind, Question
    from judgeloop.store import FolderStore

    with tempfile.TemporaryDirectory(prefix="judgeloop-verdict-") as name:
        store = FolderStore(Path(name) / "store")
        library = ImageLibrary(store, options.max_pixels)
        images = tuple(library.add(_read_image(path)) for path in options.image)
        judge = find_judge(options.model, Path(name) / "version", options.prompts)
        question = Question(id="q", images=images, text=options.question, kind=Kind.LONG_ANSWER)
        scripted = judge.model.base.startswith(SCRIPTED)
        settings = EngineSection(kind="scripted" if scripted else "transformers")
        engine = open_engine(settings, judge.model, library, store)
        try:
            prompts = load_prompts(judge.prompts)
            max_tokens = options.max_tokens or prompts.judgement_tokens
            sampling = Sampling(temperature=0.0, max_tokens=max_tokens)
            return judge_answers(engine, prompts, question, options.a, options.b, sampling)
        finally:
            engine.close()


def describe(result: PairVerdict) -> str:
    """Returns a verdict for people: each order's reasoning, then the verdict over both."""
    lines = []
    for order in result.orders:
        first, second = ("a", "b") if order.shown_first == "a" else ("b", "a")
        lines += [
            f"[{first} shown as A, {second} shown as B]",
            order.text.strip(),
            f"-> {_words(order.verdict.choice, order.verdict.reason)}",
            "",
        ]
    return "\n".join([*lines, f"verdict: {_words(result.verdict.choice, result.verdict.reason)}"])


def _words(choice: Choice, reason: str | None) -> str:
    if choice is Choice.UNDECIDED:
        return f"undecided ({reason})"
    return f"{choice.lower()} is better"


def _read_image(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"--image {path}: cannot be read ({error.strerror})") from error


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)
