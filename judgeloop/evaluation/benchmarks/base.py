"""Types of a benchmark: items with a known better response, and outputs that judge them.

A benchmark is a folder of code that loads its items, reads saved outputs in its official layout,
reads a verdict from a text by its protocol, and aggregates. Items are keyed by row and content,
since ids repeat in the released files, some of them with opposite labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from judgeloop.evaluation.benchmarks.intervals import Outcome
from judgeloop.evaluation.benchmarks.prompts import OfficialPrompt
from judgeloop.schema.keys import content_key, fraction
from judgeloop.schema.records import Choice, Record
from judgeloop.schema.sampling import Sampling
from judgeloop.schema.scorecard import Interval

CONTENT_DIGITS = 12
Row = dict[str, Any]


class Item(Record, frozen=True, kw_only=True):
    """One row of a benchmark: a question and two responses, of which one is better."""

    key: str
    """`<row>-<hash of the content>`; the label is not part of it, since revisions may correct
    it."""
    row: int
    """Place in the file, from 0."""
    id: str
    """The benchmark's own id, which is not unique: nothing is joined by it."""
    group: str
    question: str
    responses: tuple[str, str]
    """In the order of the row."""
    better: int
    """Index of the better response, 0 or 1."""
    image: str = ""
    """Path of the image, empty if the row names none."""
    reference: str = ""
    """The row's own reference answer, where it has one."""
    models: tuple[str, str] | None = None
    """The models that wrote the responses, in the same order, if the row names them."""

    @property
    def chosen(self) -> str:
        """The better response."""
        return self.responses[self.better]

    @property
    def rejected(self) -> str:
        """The worse response."""
        return self.responses[1 - self.better]

    @property
    def writers(self) -> tuple[str, str] | None:
        """The models that wrote the better and the worse response."""
        return self.models and (self.models[self.better], self.models[1 - self.better])


class Fault(Record, frozen=True, kw_only=True):
    """A row or an output that was not used unchanged, or that readers must know about."""

    where: str
    """File and line or row."""
    reason: str
    """A single word, for counting."""
    detail: str


class Output(Record, frozen=True, kw_only=True):
    """One judge text on one item, in one order."""

    item: str
    """The item's key."""
    chosen_first: bool
    """Whether the better response was shown first."""
    sample: int = 0
    text: str | None = None
    """None if only scores were saved."""
    scores: tuple[float, float] | None = None
    """Scores of the better and the worse response, where a reward model gave them."""


class Loaded(Record, frozen=True, kw_only=True):
    """A benchmark's items, and the files that they come from."""

    items: tuple[Item, ...]
    faults: tuple[Fault, ...]
    files: dict[str, str]
    """sha256 by file name: the data's revision."""
    paths: tuple[str, ...]
    """Paths of the same files."""


class Read(Record, frozen=True, kw_only=True):
    """The outputs in a file, in the file's order, and its faults."""

    outputs: tuple[Output, ...]
    faults: tuple[Fault, ...]


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of outputs by a benchmark's official protocol."""

    official: dict[str, Any]
    """By the keys of the official scores."""
    maps: dict[str, Any]
    """The figures under the other published group maps, by name."""
    lines: tuple[str, ...]
    """The lines that the official script prints."""
    details: dict[str, Any] = {}
    """Further figures of this benchmark, such as those for each K."""
    faults: tuple[Fault, ...] = ()
    """Inputs at which the official script would have stopped."""
    outcomes: tuple[Outcome, ...] = ()
    """Outcomes of the items that the official accuracies count, for their intervals."""
    intervals: dict[str, Interval] = {}
    """Intervals of official figures that are not shares of these items."""


class Benchmark(msgspec.Struct, frozen=True, kw_only=True):
    """One benchmark; its functions are in the package of its name."""

    name: str
    protocol: str
    """Protocol and revision of the official figures; part of every result."""
    load: Callable[[Path], Loaded]
    official_outputs: Callable[[Iterator[tuple[str, Row]], Sequence[Item]], Read]
    """Reads the lines of an output file in the official layout; takes (where, line) pairs."""
    parse: Callable[[str], int | None]
    """Reads which of the shown responses a text prefers: 1, 2, or None if it does not say."""
    shows_chosen_first: Callable[[Item, int], bool]
    """The order rule: whether a sample of an item shows the better response first."""
    aggregate: Callable[[Sequence[Item], Sequence[Output]], Figures]
    endings: tuple[str, str]
    """Texts of a verdict for the first and for the second response, by the protocol."""
    samples: int
    """Samples per item."""
    sampling: Sampling
    prompt: OfficialPrompt | None = None
    """None if judges are always asked with the loop's own prompts."""
    suspects: Callable[[Iterable[Item]], list[str]] = lambda items: []
    """Returns the keys of items whose label contradicts the row's own content."""


def item_key(row: int, *content: object) -> str:
    """Returns the key of the item in a row."""
    return f"{row:05d}-{content_key(*content)[:CONTENT_DIGITS]}"


def writers(items: Iterable[Item]) -> dict[str, tuple[str, str]]:
    """Returns the models that wrote an item's better and worse response, if its row names them."""
    return {item.key: item.writers for item in items if item.writers}


def coin_order(item: Item, sample: int) -> bool:
    """Returns a random order for each sample, derived from item and sample."""
    return fraction("benchmark order", item.key, sample) < 0.5


def choice(benchmark: Benchmark, text: str | None) -> Choice:
    """Returns the verdict of a text on the responses shown first (A) and second (B)."""
    shown = benchmark.parse(text) if text else None
    return {1: Choice.A, 2: Choice.B}.get(shown or 0, Choice.UNDECIDED)
