"""Converts examples to the rows that TRL's trainer of vision models takes.

The user turn is images first, then the text, as the engines render a request, so that training and
inference use the same prompt. Tokenization and image processing are not done here; TRL's collator
does them per batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judgeloop.models.control_tokens import ControlTokens
from judgeloop.schema.errors import DataError, TrainingError, reason_of
from judgeloop.schema.records import Example, from_json

if TYPE_CHECKING:
    import datasets
    from PIL import Image

CACHED_IMAGES = 256
"""Decoded images kept by a dataset: an image is needed again for each of its examples and
epochs."""


def read_examples(path: Path, images: Path) -> list[Example]:
    """Reads the examples of a job and checks that they can be trained on.

    Args:
        path: JSONL file of examples.
        images: Folder of images named by hash.

    Raises:
        TrainingError: The file cannot be read or is empty, an id occurs twice, or an image is
            missing; the message names the example.
        DataError: A line is not an example.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise TrainingError(f"{path}: the examples cannot be read: {reason_of(error)}") from error
    examples = [from_json(line, Example, f"{path}:{n}") for n, line in enumerate(lines, start=1)]
    if not examples:
        raise TrainingError(f"{path}: no example to train on; look at what filtering dropped")
    present = {file.name for file in images.iterdir()} if images.is_dir() else set()
    seen: set[str] = set()
    for example in examples:
        if example.id in seen:
            raise TrainingError(f"{path}: example {example.id} comes twice; keep one of them")
        seen.add(example.id)
        for image in example.images:
            if image not in present:
                raise TrainingError(
                    f"example {example.id}: image {image} is not in {images}; "
                    "run `ingest` again, or drop the example"
                )
    return examples


def wants_messages(model_type: str) -> bool:
    """Returns whether a model is trained on whole conversations instead of prompt and completion.

    TRL processes prompt and completion separately and concatenates the tokens; Mllama's
    `cross_attention_mask` then covers the prompt alone and the model fails. As one conversation,
    with the loss on the assistant's tokens only, the labels are the same.

    Args:
        model_type: `model_type` of the base's `config.json`.
    """
    return model_type == "mllama"


def make_dataset(
    examples: Sequence[Example],
    open_image: Callable[[str], Image.Image],
    model_type: str,
    control: ControlTokens,
) -> datasets.Dataset:
    """Makes the trainer's dataset; images are opened when a batch needs them.

    `open_image` opens an image by its hash; texts cannot become one of the `control` tokens. Rows
    have `images` and either `prompt` and `completion` or `messages` (see `wants_messages`).
    """
    from datasets import Dataset

    table = Dataset.from_dict(
        {
            "id": [example.id for example in examples],
            "files": [list(example.images) for example in examples],
            "prompt": [control.defused(example.prompt) for example in examples],
            "completion": [control.defused_answer(example.completion) for example in examples],
        }
    )
    return table.with_transform(_Rows(open_image, wants_messages(model_type)))


class _Rows:
    """Turns a slice of the table into TRL's rows."""

    def __init__(self, open_image: Callable[[str], Image.Image], messages: bool) -> None:
        self._messages = messages
        self._open = lru_cache(CACHED_IMAGES)(open_image)

    def __call__(self, table: dict[str, list[Any]]) -> dict[str, list[Any]]:
        files = table["files"]
        users = list(map(partial(_turn, "user"), files, table["prompt"]))
        answers = [_turn("assistant", [], text) for text in table["completion"]]
        rows = {"images": list(map(self._images, table["id"], files))}
        if self._messages:
            return rows | {"messages": list(map(add, users, answers))}
        return rows | {"prompt": users, "completion": answers}

    def _images(self, example_id: str, files: list[str]) -> list[Image.Image]:
        try:
            return [self._open(name) for name in files]
        except (DataError, OSError) as error:
            raise TrainingError(f"example {example_id}: image of {files}: {error}") from error


def _turn(role: str, files: Sequence[str], text: str) -> list[dict[str, Any]]:
    parts: list[dict[str, str]] = [{"type": "image"} for _ in files]
    return [{"role": role, "content": [*parts, {"type": "text", "text": text}]}]
