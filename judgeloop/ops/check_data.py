"""Checks questions or gold pairs as a loop would read them, before anything runs."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec
from PIL import Image

from judgeloop.data.images import SourceImages
from judgeloop.data.rejections import Rejections
from judgeloop.data.rows import GoldRow, QuestionRow, image_names, read_gold, read_questions
from judgeloop.data.source import TINY_WORLD, Source, open_source
from judgeloop.ops.plan.survey import CHARACTERS_PER_TOKEN, text_tokenizer
from judgeloop.runtime.stage_settings import IngestSettings, select_settings
from judgeloop.runtime.stages.ingest import HELD_OUT, split_of
from judgeloop.schema.config import Config
from judgeloop.schema.errors import ConfigError, DataError, JudgeLoopError
from judgeloop.schema.records import Dropped, Pair, Question
from judgeloop.store.images.decode import decode_image

What = Literal["questions", "gold pairs"]
SHOWN_BAD_ROWS = 5
FEW = 30
"""Number of pairs below which the interval of a share is wider than +-0.18."""
LOOKED_AT = 1000
"""Maximum number of rows of a file that a run checks as a whole before it starts: larger files have
enough rows."""


class Pictures(msgspec.Struct):
    """The images that can be used."""

    count: int = 0
    smallest: tuple[int, int] = (0, 0)
    """Width and height."""
    largest: tuple[int, int] = (0, 0)
    reduced: int = 0
    """Number larger than `data.max_pixels`, which a model sees scaled down."""


class Checked(msgspec.Struct, kw_only=True):
    """The output of `judgeloop check-data --json`."""

    file: str
    what: What
    rows: int = 0
    usable: int = 0
    by_kind: dict[str, int] = msgspec.field(default_factory=dict)
    unsure_kinds: int = 0
    """Questions whose kind was derived from a wording that does not show the form of the answer."""
    dropped: dict[str, int] = msgspec.field(default_factory=dict)
    """Bad rows by reason."""
    bad_rows: list[str] = msgspec.field(default_factory=list)
    """The first ones, each with its place and reason."""
    further_fields: dict[str, int] = msgspec.field(default_factory=dict)
    """Number of rows by unknown field; such fields are kept in `meta`."""
    pictures: Pictures = msgspec.field(default_factory=Pictures)
    tokens_mean: float = 0.0
    """Mean number of tokens of a question's text."""
    tokens_most: int = 0
    tokens_estimated: bool = False
    """Whether tokens are estimated from characters, since the model's tokenizer is not
    available."""
    held_out: int | None = None
    """Questions held out for validation; None for gold pairs."""
    trained: int | None = None
    """Questions from which training pairs are made."""
    problems: list[str] = msgspec.field(default_factory=list)
    """Why the loop could not work with these data."""
    warnings: list[str] = msgspec.field(default_factory=list)
    """What the loop could not decide with so few rows."""


def check_data(file: str, config: Config) -> Checked:
    """Reads a whole file with all its images, as the loop would.

    Args:
        file: Path or s3:// URI of a JSONL file of questions or gold pairs.
        config: Defines what is held out, how many examples are needed, and how images are read.

    Raises:
        ConfigError: There is no such file.
        DataError: No row of it can be used.
    """
    with open_source(file, _no_world, columns=config.data.columns) as source:
        gold = _is_gold(source)
        found = Checked(file=source.name, what="gold pairs" if gold else "questions")
        names = (
            image_names(source, GoldRow, None) if gold else image_names(source, QuestionRow, None)
        )
        images = SourceImages(source.folder, names)
        images.scan()
        images.add_all(_measure(found.pictures, config))
        rows: Iterator[Question | Pair | Dropped]
        rows = (
            read_gold(source, images, None)
            if gold
            else read_questions(source, images, None, config.data.kinds)
        )
        rejections = _count(rows, found, config)
        if not found.usable:
            raise rejections.no_usable_row(source.name)
    _judge_supply(found, config)
    return found


def too_few_examples(questions: int, config: Config) -> str | None:
    """Returns why this number of questions can never give enough examples; None if it can.

    Args:
        questions: Number of questions from which training pairs are made.
        config: The loop's configuration.
    """
    used = min(config.data.per_iteration or questions, questions)
    most = used * 2 * config.judging.samples
    filtering = config.filtering
    needed = filtering.min_examples
    if filtering.traces_per_pair is not None:
        most = min(most, used * filtering.traces_per_pair)
    if most < needed:
        return (
            f"{used} questions give at most {most} examples, min_examples is {needed}: bring more "
            "questions, or lower filtering.min_examples"
        )
    if filtering.max_examples is not None and filtering.max_examples < needed:
        return (
            f"filtering.max_examples is {filtering.max_examples}, and filtering.min_examples, "
            f"which is {needed}, can never be reached"
        )
    return None


def refuse_starved(config: Config) -> list[str]:
    """Refuses a file with which the loop could not work, before anything runs.

    A file of more than `LOOKED_AT` rows is only counted; a smaller one, of which a loop uses all
    rows, is read as by `check_data`. Unreadable files are left to the task that reads them.

    Returns:
        What the loop could not decide with so few rows.

    Raises:
        DataError: The loop could not work with them.
    """
    questions = config.data.questions
    if questions == TINY_WORLD:
        return []
    try:
        with open_source(questions, _no_world, columns=config.data.columns) as source:
            lines = sum(1 for line in source.lines() if line.strip())
        whole = lines <= min(LOOKED_AT, config.data.count or lines)
        found = check_data(questions, config) if whole else Checked(file="", what="questions")
    except JudgeLoopError:
        return []
    if said := too_few_examples(min(config.data.count or lines, lines), config):
        raise DataError(f"data.questions {questions}: {said}")
    if found.problems:
        raise DataError(f"data.questions {questions}: {'; '.join(found.problems)}")
    return [f"data.questions {questions}: {said}" for said in found.warnings]


def _no_world(folder: Path) -> Path:
    raise ConfigError("the tiny world is made by the program; give a JSONL file to check")


def _is_gold(source: Source) -> bool:
    """Detects gold pairs by the first readable row."""
    for line in source.lines():
        try:
            row = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        return isinstance(row, dict) and "chosen" in row
    return False


def _measure(pictures: Pictures, config: Config) -> Callable[[bytes], str]:
    def add(data: bytes) -> str:
        decode_image(data, config.data.max_pixels, config.data.background)
        with Image.open(io.BytesIO(data)) as image:
            size = image.size
        pixels = math.prod(size)
        pictures.count += 1
        pictures.reduced += pixels > config.data.max_pixels
        if pictures.count == 1 or pixels < math.prod(pictures.smallest):
            pictures.smallest = size
        if pixels > math.prod(pictures.largest):
            pictures.largest = size
        return ""

    return add


def _count(rows: Iterator[Question | Pair | Dropped], found: Checked, config: Config) -> Rejections:
    rejections, kinds, splits = Rejections(), Counter[str](), Counter[bool | None]()
    further = Counter[str]()
    count_tokens = text_tokenizer(config.model.base)
    found.tokens_estimated = count_tokens is None
    ingest_settings = select_settings(config, IngestSettings)
    tokens = 0.0
    for row in rows:
        found.rows += 1
        if isinstance(row, Dropped):
            rejections.add(row)
            found.bad_rows += [row.detail] if len(found.bad_rows) < SHOWN_BAD_ROWS else []
            continue
        question = row.question if isinstance(row, Pair) else row
        known = count_tokens(question.text) if count_tokens else None
        length = len(question.text) / CHARACTERS_PER_TOKEN if known is None else known
        tokens += length
        found.tokens_most = max(found.tokens_most, math.ceil(length))
        kinds[question.kind.value] += 1
        found.unsure_kinds += question.kind_unsure is True
        further.update(list(question.meta or ()))
        found.usable += 1
        if found.what == "questions":
            split = split_of(question, ingest_settings)
            splits[None if split is None else split == HELD_OUT] += 1
    found.by_kind = dict(sorted(kinds.items()))
    found.further_fields = dict(further.most_common())
    found.dropped = dict(sorted(rejections.dropped.items()))
    found.tokens_mean = round(tokens / found.usable, 1) if found.usable else 0.0
    if found.what == "questions":
        found.held_out, found.trained = splits[True], splits[False]
        if splits[None]:
            found.dropped["mixed_split"] = splits[None]
    return rejections


def _judge_supply(found: Checked, config: Config) -> None:
    """Records what cannot work with so few rows, and what they cannot decide."""
    if found.held_out is None or found.trained is None:
        if found.usable < FEW:
            found.warnings.append(_decides_nothing(found.usable, "gold"))
        return
    if said := too_few_examples(found.trained, config):
        found.problems.append(said)
    found.problems += _capped(found, config)
    limit = config.engine.max_prompt_tokens
    if found.tokens_most > limit:
        found.warnings.append(
            f"the longest question has {found.tokens_most} tokens alone, engine.max_prompt_tokens "
            f"is {limit}: such rows are dropped when they are asked"
        )
    if found.held_out == 0:
        found.problems.append(
            "no question is held out, so no version can be chosen: raise validation.share, or "
            "bring questions with more images"
        )
    elif found.held_out < FEW:
        found.warnings.append(_decides_nothing(found.held_out, "validation"))


def _capped(found: Checked, config: Config) -> list[str]:
    """Returns which single cap of the filter leaves fewer examples than the loop needs."""
    filtering, traces = config.filtering, 2 * config.judging.samples
    needed = filtering.min_examples
    said = []
    for name, cap, groups in (
        ("pairs_per_kind", filtering.pairs_per_kind, len(found.by_kind)),
        ("pairs_per_image", filtering.pairs_per_image, found.pictures.count),
    ):
        most = None if cap is None else cap * groups * traces
        if most is not None and most < needed:
            said.append(
                f"filtering.{name} is {cap}: of {groups} there are at most {most} examples, "
                f"min_examples is {needed}"
            )
    return said


def _decides_nothing(pairs: int, what: str) -> str:
    width = 1.96 * 0.5 / math.sqrt(pairs)
    return (
        f"{pairs} {what} pairs decide nothing: a share of them is known to +-{width:.2f} (95 %); "
        f"{FEW} are the least that is of use"
    )
