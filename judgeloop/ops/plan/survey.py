"""Surveys a loop's questions before it runs: their number, kinds, lengths and image sizes."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import msgspec

from judgeloop.data.file_format import Rows
from judgeloop.data.question_kind import find_kind, has_options
from judgeloop.data.rows import QuestionRow, good_rows
from judgeloop.data.source import TINY_WORLD, Source, open_source
from judgeloop.models.references import local_folder
from judgeloop.ops.plan.workload import Questions
from judgeloop.schema.config import Config, DataSection
from judgeloop.schema.errors import ConfigError, JudgeLoopError

ASSUMED = Questions(
    count=0, open_share=0.5, options_share=0.25, unsure_share=0.25, images=1.0, image_pixels=1e6,
    text_tokens=60.0,
)  # fmt: skip
"""Assumptions on questions that are not available; the count comes from the configuration."""
LOOKED_AT = 200
"""Number of images whose size is read, and of texts that are tokenized."""
CHARACTERS_PER_TOKEN = 4.0


def survey(config: Config) -> tuple[Questions, int, tuple[str, ...]]:
    """Returns the survey of the questions, the number of gold pairs, and the assumptions.

    Raises:
        ConfigError: The questions are not available and `data.count` does not say how many.
        DataError: The questions file has no readable row.
    """
    notes: list[str] = []
    count_tokens = text_tokenizer(config.model.base)
    if count_tokens is None:
        notes.append(
            f"the model's tokenizer is not available: {CHARACTERS_PER_TOKEN:.0f} characters a token"
        )
    try:
        with open_source(
            config.data.questions, _question_maker(config), columns=config.data.columns
        ) as source:
            questions = _read(source, config.data, count_tokens)
    except JudgeLoopError as error:
        if config.data.count is None:
            raise ConfigError(f"{error}; or set data.count to plan without the file") from error
        questions = msgspec.structs.replace(ASSUMED, count=config.data.count)
        notes.append(
            f"the questions are not available ({error}): assumed are half of them open, a quarter "
            "with options, a quarter with an unsure kind, one image "
            "of a million pixels each, and 60 tokens of text"
        )
    gold, note = _gold(config)
    return questions, gold, (*notes, *note)


def _question_maker(config: Config) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        from judgeloop.tiny.dataset import write_questions

        return write_questions(folder, config.data.count or 1000, config.loop.seed)

    return make


def _read(
    source: Source, settings: DataSection, count_tokens: Callable[[str], int] | None
) -> Questions:
    count = opens = images = unsure = options = 0
    sizes: list[int] = []
    lengths: list[float] = []
    for row in good_rows(source, QuestionRow, settings.count):
        count += 1
        kind = find_kind(row.text, row.kind, row.source, settings.kinds)
        opens += kind.kind.is_open
        unsure += kind.unsure
        options += has_options(kind, row.choices)
        images += len(row.images)
        if len(lengths) < LOOKED_AT:
            known = count_tokens(row.text) if count_tokens else None
            lengths.append(len(row.text) / CHARACTERS_PER_TOKEN if known is None else known)
        for name in row.images[: LOOKED_AT - len(sizes)]:
            sizes += [min(size, settings.max_pixels) for size in _pixels(source, name)]
    if not count:
        raise ConfigError(f"{source.name}: no row can be read; `judgeloop route` says why")
    return Questions(
        count=count,
        open_share=round(opens / count, 4),
        options_share=round(options / count, 4),
        unsure_share=round(unsure / count, 4),
        images=round(images / count, 4),
        image_pixels=round(sum(sizes) / len(sizes), 1) if sizes else ASSUMED.image_pixels,
        text_tokens=round(sum(lengths) / len(lengths), 1),
    )


def _pixels(source: Source, name: str) -> list[int]:
    """Returns the pixels of an image from its header, or nothing if it cannot be read."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(source.folder.read(name))) as image:
            return [image.width * image.height]
    except (OSError, ValueError, JudgeLoopError, Image.DecompressionBombError):
        return []  # the run quarantines it


def _gold(config: Config) -> tuple[int, tuple[str, ...]]:
    settings = config.evaluation
    if settings.gold == TINY_WORLD:
        return settings.count or 1000, ()
    try:
        with open_source(settings.gold, lambda folder: folder, Rows.PAIRS) as source:
            found = sum(1 for line in source.lines() if line.strip())
        return min(found, settings.count or found), ()
    except JudgeLoopError as error:
        note = f"the gold pairs are not available ({error})"
        if settings.count is None:
            return 0, (f"{note}: evaluation is left out; set evaluation.count",)
        return settings.count, (note,)


def text_tokenizer(base: str) -> Callable[[str], int] | None:
    """Returns a function that counts the tokens of a text; None if there is no tokenizer here."""
    folder = local_folder(base)
    file = None if folder is None else folder / "tokenizer.json"
    if folder is None:
        try:
            from huggingface_hub import try_to_load_from_cache

            cached = try_to_load_from_cache(base, "tokenizer.json")
        except (ImportError, ValueError):
            return None
        file = Path(cached) if isinstance(cached, str) else None
    if file is None or not file.is_file():
        return None
    try:
        from tokenizers import Tokenizer
    except ImportError:
        return None
    loaded = Tokenizer.from_file(str(file))
    return lambda text: len(loaded.encode(text).ids)
