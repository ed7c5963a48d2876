"""One kind of bad input, the entry points that it is given to, and what is seen of them there."""

import contextlib
import io
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from PIL import Image

from judgeloop.cli.main import main as judgeloop_main
from judgeloop.runtime.stages.ingest import ingest
from judgeloop.schema.config import MAX_PIXELS, Config, load_config
from judgeloop.schema.errors import JudgeLoopError
from judgeloop.schema.records import Dropped, Manifest, Question
from judgeloop.schema.results import Scores
from judgeloop.store import FolderStore
from judgeloop.store.images import ImageLibrary
from judgeloop.store.shards import read_records
from tests.conftest import REPOSITORY

MICRO = REPOSITORY / "pipelines/configs/micro.yaml"
GOOD = ("q0", "q2")
"""The rows before and after the bad one."""
Row = dict[str, Any] | bytes
Make = Callable[[], bytes]
"""Makes the bytes of an image."""
TOO_LONG = 100_000
"""Characters."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of an input."""

    code: int = 0
    """Exit code."""
    message: str = ""
    """What was printed, or the detail in the quarantine."""
    counts: dict[str, int] = field(default_factory=dict)
    """Rows by `dropped/<reason>`, among others."""
    rows: tuple[str, ...] = ()
    """Ids of what went on."""


@dataclass(frozen=True)
class Case:
    """One kind of bad input; one of the last four says what comes of it."""

    group: str
    what: str
    run: Callable[[Path], Outcome]
    """Makes the bad input in an empty folder, gives it to an entry point, and looks."""
    words: str
    """A regular expression that the message matches somewhere."""
    code: int = 0
    """Exit code of the error."""
    reason: str = ""
    """Why the row is quarantined."""
    undecided: str = ""
    """Why the judgement is undecided."""
    accepted: bool = False

    @property
    def name(self) -> str:
        """Its group and what is given."""
        return f"{self.group}: {self.what}"


def png(number: int, size: tuple[int, int] = (8, 8)) -> bytes:
    """An image of a single color."""
    buffer = io.BytesIO()
    Image.new("RGB", size, (number, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def question(number: int, **changes: Any) -> dict[str, Any]:
    """A good row of a questions file, but for the changes."""
    fields = {"images": [f"{number}.png"], "text": "how many?", "kind": "number"}
    return {"id": f"q{number}", **fields, **changes}


def write_rows(folder: Path, rows: Sequence[Row]) -> Path:
    """Writes a JSONL file and the images `0.png`, `1.png` and `2.png` beside it."""
    texts = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    for number in range(3):
        (folder / f"{number}.png").write_bytes(png(number))
    path = folder / "questions.jsonl"
    path.write_bytes(b"\n".join(texts) + b"\n")
    return path


def changed(folder: Path, *changes: str) -> Config:
    """The micro configuration with changes, and its store in the folder."""
    return load_config(MICRO, [f"store={folder}/store", *changes])


def asked(folder: Path, path: Path | str) -> Outcome:
    """Gives a questions file to the stage `ingest`."""
    return _staged(folder, lambda config, store: ingest(config, store), f"data.questions={path}")


def beside_good_rows(bad: Row) -> Callable[[Path], Outcome]:
    """Gives a row between two good ones to the stage `ingest`."""
    return lambda folder: asked(folder, write_rows(folder, [question(0), bad, question(2)]))


def with_image(make: Make) -> Callable[[Path], Outcome]:
    """Gives a question with such an image, between two good ones, to the stage `ingest`."""

    def run(folder: Path) -> Outcome:
        (folder / "bad").write_bytes(make())
        return beside_good_rows(question(1, images=["bad"]))(folder)

    return run


def normalized(make: Make) -> Callable[[Path], Outcome]:
    """As `with_image`; the message says what a model sees of the image."""

    def run(folder: Path) -> Outcome:
        made = with_image(make)(folder)
        store = FolderStore(folder / "store")
        (key,) = [key for key in store.list("ingest") if key.endswith("manifest.json")]
        manifest = msgspec.json.decode(store.read(key), type=Manifest)
        found = {q.id: q.images[0] for q in read_records(store, manifest, Question)}
        image = ImageLibrary(store, MAX_PIXELS).open(found["q1"])
        corners = [image.getpixel(place) for place in ((0, 0), (image.width - 1, image.height - 1))]
        width, height = image.size
        seen = f"{image.mode}, {width} x {height}, first pixel {corners[0]}, last {corners[1]}"
        return Outcome(message=seen, counts=made.counts, rows=made.rows)

    return run


def staged(work: Callable[[Config, FolderStore], Manifest], *changes: str) -> Callable:
    """Runs a stage with a changed configuration; `{folder}` in a change is the case's folder."""
    return lambda folder: _staged(folder, work, *[c.format(folder=folder) for c in changes])


def run_command(*changes: str, out: str = "", **environment: str) -> Callable[[Path], Outcome]:
    """Starts `judgeloop run` with changes, as far as it gets: nothing may run."""

    def run(folder: Path) -> Outcome:
        given = [f"--set={change.format(folder=folder)}" for change in changes]
        given += ["--out", out or f"{folder}/out"]
        return command(folder, ["run", "--config", str(MICRO), *given], environment)

    return run


def run_config(content: bytes) -> Callable[[Path], Outcome]:
    """Starts `judgeloop run` with a configuration file."""

    def run(folder: Path) -> Outcome:
        path = folder / "mine.yaml"
        path.write_bytes(content)
        given = ["--config", str(path), "--out", str(folder / "out")]
        return command(folder, ["run", *given], {})

    return run


def verdict_command(*arguments: str, **environment: str) -> Callable[[Path], Outcome]:
    """Starts `judgeloop verdict` on a good image and two answers; later arguments win."""

    def run(folder: Path) -> Outcome:
        (folder / "good.png").write_bytes(png(9))
        given = ["--question", "caption", "--a", "a red circle", "--b", "a blue circle"]
        given += ["--image", str(folder / "good.png"), "--model", "scripted:"]
        given += [argument.format(folder=folder) for argument in arguments]
        return command(folder, ["verdict", *given], environment)

    return run


@contextlib.contextmanager
def _quiet_transformers() -> Iterator[None]:
    """As TRANSFORMERS_VERBOSITY makes it, which it reads once: a test before may have loaded it."""
    log = logging.getLogger("transformers")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def command(
    folder: Path,
    arguments: list[str],
    environment: dict[str, str],
) -> Outcome:
    """Runs a command line in this process and returns its exit code and what it printed."""
    printed = io.StringIO()
    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        _variables(environment),
        _quiet_transformers(),
    ):
        code = judgeloop_main(arguments)
    return Outcome(code, plain(printed.getvalue(), folder))


def failed(error: JudgeLoopError, folder: Path) -> Outcome:
    """What a task leaves of an error: the message in the ledger and the exit code."""
    return Outcome(error.exit_code, plain(str(error), folder))


def plain(text: str, folder: Path) -> str:
    """Takes this machine's folders out of a message."""
    return text.strip().replace(str(folder), "/data").replace(f"{REPOSITORY}/", "")


def _staged(
    folder: Path, work: Callable[[Config, FolderStore], Manifest], *changes: str
) -> Outcome:
    store = FolderStore(folder / "store")
    try:
        made = work(changed(folder, *changes), store)
    except JudgeLoopError as error:
        return failed(error, folder)
    details = [
        msgspec.json.decode(line, type=Dropped).detail
        for key in store.list("")
        if "quarantine" in key
        for line in store.read(key).splitlines()
    ]
    ids = [row["id"] for row in read_records(store, made, dict[str, Any]) if "id" in row]
    gold = made.result.dropped if isinstance(made.result, Scores) else {}
    counts = made.counts | {f"dropped/{reason}": count for reason, count in gold.items()}
    return Outcome(0, plain(" ".join(details), folder), counts, tuple(sorted(ids)))


@contextlib.contextmanager
def _variables(values: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
