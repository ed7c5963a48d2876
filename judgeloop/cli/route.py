"""`judgeloop route`: which kind each question of a data set gets by its form."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click
import msgspec

from judgeloop.cli import options
from judgeloop.cli.command import command
from judgeloop.method.routing import form
from judgeloop.schema.errors import ConfigError, DataError
from judgeloop.schema.records import Kind

FILES = ("qa.jsonl", "questions.jsonl")
"""Files that are looked for in a folder, in this order."""
SHOWN_BAD_ROWS = 3


class _Row(msgspec.Struct, frozen=True):
    """The fields of a row that are read; others are ignored."""

    question: str | None = None
    text: str | None = None
    question_type: Kind | None = None
    kind: Kind | None = None


class Routing(msgspec.Struct, frozen=True, kw_only=True):
    """How the questions of a file were routed."""

    n: int
    accuracy: float | None
    """Of the rows that state a kind, the share that got this kind; None if no row states one."""
    by_kind: dict[str, dict[str, float | int | None]]
    """By stated kind (by routed kind where none is stated): `n`, `accuracy`."""
    confusion: dict[str, dict[str, int]]
    """Rows by stated kind, then by routed kind."""
    rules: dict[str, int]
    """Rows by the rule that decided."""
    unsure: int
    """Rows whose wording does not show the form of the answer, so that the kind is a guess."""
    bad_rows: list[str]
    """Place and reason of rows that could not be read; they are not in `n`."""


@command("route", "judgeloop route --data my_questions/ --json")
@click.option(
    "--data",
    required=True,
    metavar="DIR-or-FILE",
    type=options.FILE,
    help=f"A JSONL file with `question` or `text`, or a folder that holds {' or '.join(FILES)}.",
)
@options.as_json
def route(data: Path, as_json: bool) -> str:
    """Show which kind each question of a data set gets by its wording.

    A kind that a row states (`question_type` or `kind`) is used for scoring only.

    Raises:
        ConfigError: There is no such file.
        DataError: No row holds a question.
    """
    found = route_file(_file(data))
    if as_json:
        return msgspec.json.encode(found).decode()
    share = "no row states its kind" if found.accuracy is None else f"accuracy {found.accuracy:.3f}"
    lines = [f"{found.n} questions, {share}"]
    for stated, routed in sorted(found.confusion.items()):
        shares = ", ".join(f"{kind} {count}" for kind, count in sorted(routed.items()))
        lines.append(f"  {stated}: {shares}")
    lines += [f"  {count} by rule: {rule}" for rule, count in sorted(found.rules.items())]
    lines += [f"  {found.unsure} of them unsure"] if found.unsure else []
    if found.bad_rows:
        lines.append(f"{len(found.bad_rows)} rows could not be read:")
        lines += [f"  {row}" for row in found.bad_rows[:SHOWN_BAD_ROWS]]
    return "\n".join(lines)


def route_file(file: Path) -> Routing:
    """Routes the questions of a JSONL file.

    Raises:
        DataError: No row holds a question.
    """
    pairs: Counter[tuple[str, str]] = Counter()
    rules: Counter[str] = Counter()
    bad: list[str] = []
    stated_rows = right = unsure = 0
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line, type=_Row)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            bad.append(f"{file.name}:{number}: {error}")
            continue
        text, stated = row.question or row.text, row.question_type or row.kind
        if not text:
            bad.append(f"{file.name}:{number}: it has neither `question` nor `text`")
            continue
        routed = form.route(text)
        pairs[stated or routed.kind, routed.kind] += 1
        rules[routed.rule] += 1
        unsure += not routed.sure
        stated_rows += stated is not None
        right += stated is routed.kind
    if not pairs:
        first = f" The first: {bad[0]}" if bad else ""
        raise DataError(f"{file}: no row holds a question; give one JSON object a line.{first}")
    return Routing(
        n=sum(pairs.values()),
        accuracy=right / stated_rows if stated_rows else None,
        by_kind=_by_kind(pairs, scored=stated_rows > 0),
        confusion={
            stated: {kind: n for (other, kind), n in sorted(pairs.items()) if other == stated}
            for stated in sorted({stated for stated, _ in pairs})
        },
        rules=dict(sorted(rules.items())),
        unsure=unsure,
        bad_rows=bad,
    )


def _by_kind(
    pairs: Counter[tuple[str, str]], *, scored: bool
) -> dict[str, dict[str, float | int | None]]:
    kinds: dict[str, dict[str, float | int | None]] = {}
    for stated in sorted({stated for stated, _ in pairs}):
        n = sum(count for (other, _), count in pairs.items() if other == stated)
        accuracy = pairs[stated, stated] / n if scored else None
        kinds[stated] = {"n": n, "accuracy": accuracy}
    return kinds


def _file(path: Path) -> Path:
    candidates = [path / name for name in FILES] if path.is_dir() else [path]
    for file in candidates:
        if file.is_file():
            return file
    raise ConfigError(
        f"--data {path}: there is no such file"
        if not path.is_dir()
        else f"--data {path}: the folder holds neither {' nor '.join(FILES)}"
    )
