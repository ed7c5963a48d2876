"""`judgeloop verdict`: two answers to one question, judged in both orders.

`--json` prints one `PairVerdict`: `verdict` and `orders`; with `--beside-base` also `base`, which
has the same two fields.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import msgspec

from judgeloop.cli.options import Subcommands
from judgeloop.method.judging.single import PairVerdict
from judgeloop.schema.errors import ConfigError, DataError
from judgeloop.schema.records import Choice, Verdict


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
    command.add_argument(
        "--beside-base",
        action="store_true",
        help="ask the judge's base as well, to see what training changed",
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
    """Judges one pair of answers in both orders, with the judge's base beside it if asked for.

    Raises:
        ConfigError: The base is asked for, and the judge is one itself.
        JudgeLoopError: The judge, the image or the engine cannot be used.
    """
    from judgeloop.engines import open_engine
    from judgeloop.method.judging.single import judge_answers
    from judgeloop.method.prompts import load_prompts
    from judgeloop.models.judge import find_judge
    from judgeloop.runtime.inference import run_steps
    from judgeloop.schema.engine_section import SCRIPTED, EngineSection
    from judgeloop.schema.records import Kind, Question
    from judgeloop.schema.sampling import Sampling
    from judgeloop.store import FolderStore
    from judgeloop.store.images import ImageLibrary

    with tempfile.TemporaryDirectory(prefix="judgeloop-verdict-") as name:
        store = FolderStore(Path(name) / "store")
        library = ImageLibrary(store, options.max_pixels)
        images = tuple(library.add(_read_image(path)) for path in options.image)
        judge = find_judge(options.model, Path(name) / "version", options.prompts)
        if options.beside_base and judge.model.adapter is None:
            raise ConfigError(
                f"--beside-base: {options.model} is a base without an adapter, so there is nothing "
                "beside it to compare; name a judge that was trained (a registered version or an "
                "adapter folder), or leave --beside-base out"
            )
        question = Question(id="q", images=images, text=options.question, kind=Kind.LONG_ANSWER)
        scripted = judge.model.base.startswith(SCRIPTED)
        settings = EngineSection(kind="scripted" if scripted else "transformers")
        engine = open_engine(settings, judge.model, library, store)
        try:
            prompts = load_prompts(judge.prompts)
            max_tokens = options.max_tokens or prompts.judgement_tokens
            sampling = Sampling(temperature=0.0, max_tokens=max_tokens)
            steps = judge_answers(
                prompts, question, options.a, options.b, sampling, options.beside_base
            )
            return run_steps(engine, steps)
        finally:
            engine.close()


def describe(result: PairVerdict) -> str:
    """Returns a verdict for people: each order's reasoning, then the verdict over both.

    The base comes before the judge, so that the last line is the judge's verdict in any case.
    """
    if result.base is None:
        return "\n".join([*_reasonings(result), f"verdict: {_words(result.verdict)}"])
    return "\n".join(
        [
            *_reasonings(result.base, "the base: "),
            *_reasonings(result, "the judge: "),
            f"verdict of the base: {_words(result.base.verdict)}",
            f"verdict: {_words(result.verdict)}",
        ]
    )


def _reasonings(result: PairVerdict, who: str = "") -> list[str]:
    lines = []
    for order in result.orders:
        first, second = ("a", "b") if order.shown_first == "a" else ("b", "a")
        lines += [
            f"[{who}{first} shown as A, {second} shown as B]",
            order.text.strip(),
            f"-> {_words(order.verdict)}",
            "",
        ]
    return lines


def _words(verdict: Verdict) -> str:
    if verdict.choice is Choice.UNDECIDED:
        return f"undecided ({verdict.reason})"
    return f"{verdict.choice.lower()} is better"


def _read_image(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"--image {path}: cannot be read ({error.strerror})") from error


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)
