"""Whole data sets that cannot be used, or not as they are."""

import gc
import logging
import unicodedata
from collections.abc import Callable
from pathlib import Path

from judgeloop.evaluation.benchmarks.files import read_rows
from judgeloop.runtime import tasks
from judgeloop.runtime.stages.gold import load_gold
from judgeloop.schema.config import Config
from judgeloop.schema.errors import JudgeLoopError
from judgeloop.schema.records import Manifest
from judgeloop.store import FolderStore
from judgeloop.store.images import ImageLibrary
from tests.bad_input.case import (
    Case,
    Outcome,
    asked,
    changed,
    command,
    failed,
    question,
    staged,
    write_rows,
)
from tests.bad_input.formats import FORMATS, SOME, written

GROUP = "Data sets"


def of_bytes(encoding: str) -> Callable[[Path], Outcome]:
    """Gives three good rows in another encoding to `ingest`."""

    def run(folder: Path) -> Outcome:
        path = write_rows(folder, [question(number) for number in range(3)])
        path.write_bytes(path.read_text().encode(encoding))
        return asked(folder, path)

    return run


def rewritten(change: Callable[[bytes], bytes]) -> Callable[[Path], Outcome]:
    """Gives a changed file of three good rows to `ingest`."""

    def run(folder: Path) -> Outcome:
        path = write_rows(folder, [question(number) for number in range(3)])
        path.write_bytes(change(path.read_bytes()))
        return asked(folder, path)

    return run


def in_place_of_questions(what: str) -> Callable[[Path], Outcome]:
    return lambda folder: asked(folder, written(folder, "questions.jsonl", what))


def in_place_of_gold(what: str) -> Callable[[Path], Outcome]:
    def work(config: Config, store: FolderStore) -> Manifest:
        return load_gold(config, store, ImageLibrary(store, config.data.max_pixels))

    def run(folder: Path) -> Outcome:
        written(folder, "gold.jsonl", what)
        return staged(work, "evaluation.gold={folder}/gold.jsonl")(folder)

    return run


def in_place_of_pairs(what: str) -> Callable[[Path], Outcome]:
    def run(folder: Path) -> Outcome:
        path = written(folder, "pairs.jsonl", what)
        given = [str(path), "--judge", "scripted:", "--out", str(folder / "verdicts.jsonl")]
        return command(folder, ["judge", *given], {})

    return run


def in_place_of_a_benchmark(what: str) -> Callable[[Path], Outcome]:
    def run(folder: Path) -> Outcome:
        path = written(folder, "rows.jsonl", what)
        try:
            list(read_rows(path, []))
        except JudgeLoopError as error:
            return failed(error, folder)
        return Outcome()

    return run


def other_normal_form(folder: Path) -> Outcome:
    """Rows name composed letters, and an archive wrote decomposed ones."""
    path = write_rows(folder, [question(n, images=[f"é{n}.png"]) for n in range(3)])
    for number in range(3):
        (folder / f"{number}.png").rename(folder / unicodedata.normalize("NFD", f"é{number}.png"))
    return asked(folder, path)


def too_many_marks(folder: Path) -> Outcome:
    rows = [question(number, text="<image> <image> Which?") for number in range(3)]
    return asked(folder, write_rows(folder, rows))


def empty(folder: Path) -> Outcome:
    path = folder / "questions.jsonl"
    path.write_text("\n\n")
    return asked(folder, path)


def starving(folder: Path) -> Outcome:
    """Runs the tasks up to the gate with a judge that says A whatever it is shown."""
    config = changed(folder, "model.base=scripted:skill=0,first_bias=1").to_json()
    paths = {name: str(folder / name) for name in ("model", "asked", "pairs", "judged", "kept")}
    loop = (config, "loop")
    thresholds, root = gc.get_threshold(), logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    try:
        tasks.resolve(*loop, paths["model"], paths["model"])
        tasks.run("ingest", *loop, paths["asked"])
        model, pairs, judged = paths["model"], paths["pairs"], paths["judged"]
        tasks.run("synthesize", *loop, pairs, 1, 0, questions=paths["asked"], model=model)
        tasks.run("judge", *loop, judged, 1, 0, pairs=pairs, model=model)
        tasks.run("filter", *loop, paths["kept"], 1, pairs=[pairs], judgements=[judged])
        tasks.enough(*loop, 1, paths["kept"])
    except JudgeLoopError as error:
        return failed(error, folder)
    finally:  # a task sets up its process
        gc.set_threshold(*thresholds)
        root.setLevel(level)
        root.handlers[:] = handlers
    return Outcome()


DATA_SETS = [
    Case(GROUP, "a file that is missing", lambda folder: asked(folder, folder / "none.jsonl"),
         r"none\.jsonl: no such file", code=3),
    Case(GROUP, "a folder in place of a file", lambda folder: asked(folder, f"{folder}/"),
         "names no file", code=2),
    Case(GROUP, "an empty data set", empty, "the file is empty", code=3),
    Case(GROUP, "a file with old Mac line ends", rewritten(lambda data: data.replace(b"\n", b"\r")),
         "CR alone; end them in LF", code=3),
    *(Case(GROUP, f"{what} of questions", in_place_of_questions(what), words, code=3)
      for what, (_, words) in FORMATS.items()),
    *(Case(GROUP, f"{what} of gold pairs", in_place_of_gold(what), FORMATS[what][1], code=3)
      for what in SOME),
    *(Case(GROUP, f"{what} of pairs to judge", in_place_of_pairs(what), FORMATS[what][1], code=3)
      for what in SOME),
    *(Case(GROUP, f"{what} of a benchmark's rows", in_place_of_a_benchmark(what),
           FORMATS[what][1], code=3) for what in SOME),
    Case(GROUP, "objects over several lines", rewritten(lambda data: data.replace(b"{", b"{\n")),
         "several lines; write one per line", code=3),
    Case(GROUP, "names of images in another normal form", other_normal_form, "", accepted=True),
    Case(GROUP, "questions that all mark too many images", too_many_marks,
         "no usable row: 3 bad_text. The first bad_text: .*:1: the text refers to image 2", code=3),
    Case(GROUP, "UTF-8 with a byte order mark", of_bytes("utf-8-sig"), "", accepted=True),
    Case(GROUP, "an address with a wrong scheme",
         lambda folder: asked(folder, "https://host/questions.jsonl"),
         "give `tiny-world`, or the path or s3:// URI", code=2),
    Case(GROUP, "a data set that starves the filter", starving,
         r"(?s)Of \d+ pairs:.* one_order.*Likely causes:.*\(1\).*\(2\).*100%.*\(3\)", code=4),
]  # fmt: skip
