"""Packs turns into pretraining batches: several independent turns after one image.

The turns of a sequence share the image's tokens and do not see each other: the attention
mask hides the other turns, and each turn's positions continue from the picture's. To the model each
turn is a conversation of its own, at a fraction of the cost.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from judgeloop.tiny.architecture import ASSISTANT, END, IMAGE_TOKENS, USER
from judgeloop.tiny.curriculum import WORDS, Turn, picture_turn, text_turn
from judgeloop.tiny.render import draw
from judgeloop.tiny.scenes import PLACES, Scene, Split, sample_from

if TYPE_CHECKING:
    import torch
    import transformers
    from PIL import Image

Row = tuple[list[int], list[int], list[int], list[int]]
"""A packed sequence: token ids, positions, turn numbers (0 is the prefix) and labels."""
IGNORED = -100
"""Label of positions that the loss leaves out."""


class Batch(NamedTuple):
    """Tensors of one step; B sequences of L tokens."""

    input_ids: torch.Tensor
    """(B, L) token ids."""
    position_ids: torch.Tensor
    """(B, L) positions; every turn starts where the picture ends."""
    attention_mask: torch.Tensor
    """(B, 1, L, L), added to the attention scores: 0 where a token may attend, else a large
    negative number."""
    labels: torch.Tensor
    """(B, L): the token that follows, `IGNORED` where there is no loss."""
    pixel_values: torch.Tensor | None
    """(B, 1, 3, 48, 48) in -1 to 1; None in a batch without pictures."""


class Pictures(NamedTuple):
    """Pictures with the words that belong to each of their nine cells."""

    pixel_values: torch.Tensor
    """(B, 1, 3, 48, 48) in -1 to 1."""
    words: torch.Tensor
    """(B, 9, len(WORDS)), 1 where the word belongs to the cell."""


class Packer:
    """Generates batches of new turns by seed."""

    def __init__(
        self,
        tokenizer: transformers.PreTrainedTokenizerFast,
        rng: random.Random,
        sequences: int,
        length: int,
    ) -> None:
        """Sets the tokenizer, and the number of sequences, of about `length` tokens, in a batch."""
        self._tokenizer = tokenizer
        self._rng = rng
        self._sequences = sequences
        self._length = length
        self._words: dict[str, list[int]] = {}
        named = tokenizer.convert_tokens_to_ids
        self._user, self._assistant, self._end = named(USER), named(ASSISTANT), named(END)
        around = named("<fake_token_around_image>")
        visual = [named("<image>")] * IMAGE_TOKENS
        self._picture = [self._user, around, named("<global-img>"), *visual, around]

    def text_batch(self) -> Batch:
        """A batch without pictures."""
        return self._collate(
            [
                self._sequence([self._user], partial(text_turn, self._rng))
                for _ in range(self._sequences)
            ],
            None,
        )

    def picture_batch(self) -> Batch:
        """A batch of pretraining scenes, each with turns about its picture."""
        scenes = [sample_from(Split.PRETRAINING, self._rng) for _ in range(self._sequences)]
        rows = [
            self._sequence(self._picture, partial(picture_turn, scene, self._rng))
            for scene in scenes
        ]
        return self._collate(rows, pixels([draw(scene) for scene in scenes]))

    def pictures(self, count: int) -> Pictures:
        """Pretraining scenes with the words of their cells; an empty cell has only its place."""
        import torch

        scenes = [sample_from(Split.PRETRAINING, self._rng) for _ in range(count)]
        words = torch.stack([_words(scene) for scene in scenes])
        return Pictures(pixels([draw(scene) for scene in scenes]), words)

    def _sequence(self, prefix: list[int], make: Callable[[], Turn]) -> Row:
        """Fills one row with turns after the prefix, until the next one does not fit."""
        ids, turns = list(prefix), [0] * len(prefix)
        positions, labels = list(range(len(prefix))), [IGNORED] * len(prefix)
        number = 0
        while True:
            tokens, start = self._encode(make())
            if len(ids) + len(tokens) > self._length:
                return ids, positions, turns, labels
            number += 1
            ids += tokens[:-1]
            turns += [number] * (len(tokens) - 1)
            positions += range(len(prefix), len(prefix) + len(tokens) - 1)
            labels += [IGNORED] * (start - 1) + tokens[start:]

    def _encode(self, turn: Turn) -> tuple[list[int], int]:
        """A turn's tokens, and the index of the first one that the loss covers."""
        before = [*self._ids(turn.prompt), self._assistant, *self._ids(turn.given)]
        return [*before, *self._ids(turn.answer), self._end], len(before)

    def _ids(self, text: str) -> list[int]:
        found: list[int] = []
        for word in text.split():
            if word not in self._words:
                self._words[word] = self._tokenizer(word).input_ids
            found += self._words[word]
        return found

    def _collate(self, rows: list[Row], pixel_values: torch.Tensor | None) -> Batch:
        import torch

        longest = max(len(ids) for ids, *_ in rows)
        shape = (len(rows), longest)
        pad = self._tokenizer.pad_token_id
        columns = [np.full(shape, fill, np.int64) for fill in (pad, 0, -1, IGNORED)]
        for index, row in enumerate(rows):
            for column, values in zip(columns, row, strict=True):
                column[index, : len(values)] = values
        ids, positions, turns, labels = (torch.from_numpy(column) for column in columns)
        same = turns[:, :, None] == turns[:, None, :]
        causal = torch.ones(longest, longest, dtype=torch.bool).tril()
        mask = (same | (turns[:, None, :] == 0)) & causal
        added = torch.zeros(mask.shape).masked_fill(~mask, -1e4)
        return Batch(ids, positions, added[:, None], labels, pixel_values)


def _words(scene: Scene) -> torch.Tensor:
    import torch

    found = torch.zeros(len(PLACES), len(WORDS))
    found[:, -len(PLACES) :] = torch.eye(len(PLACES))
    for obj in scene.objects:
        found[obj.cell, [WORDS.index(obj.colour), WORDS.index(obj.shape)]] = 1
    return found


def pixels(images: list[Image.Image]) -> torch.Tensor:
    """Converts images of 48 x 48 pixels to (B, 1, 3, 48, 48) values, as the processor does."""
    import torch

    values = np.stack([np.asarray(image, np.float32) for image in images]) / 255
    return torch.from_numpy((values - 0.5) / 0.5).permute(0, 3, 1, 2)[:, None].contiguous()
