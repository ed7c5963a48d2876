"""Sample judgements, right and wrong ones, with their images.

The sample does not depend on the texts: items are taken in the order of a hash of their id.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import nsmallest
from typing import NamedTuple

from judgeloop.report.history import Iteration, LoopHistory
from judgeloop.report.thumbnails import Thumbnail, Thumbnails
from judgeloop.runtime.ledger import BASE_ITERATION
from judgeloop.schema.config import ReportSection
from judgeloop.schema.keys import fraction
from judgeloop.schema.records import (
    Altered,
    Choice,
    ItemResult,
    Manifest,
    Pair,
    Record,
    Voted,
)
from judgeloop.store import Store
from judgeloop.store.images import ImageLibrary
from judgeloop.store.shards import finished, read_records, read_shards

TEXT_LIMIT = 900
"""Characters of a text that are shown."""


Compared = tuple[ItemResult, bool | None]
"""A result, and whether the start model judged the item right in both orders."""


class _Drawn(NamedTuple):
    """Results to show, in order, and the number of results of each kind."""

    right: list[Compared]
    wrong: list[Compared]
    rights: int
    wrongs: int


class Reading(Record, frozen=True, kw_only=True):
    """One of the two judgements of an item."""

    shown: str
    """Which answer was shown as A."""
    verdict: str
    right: bool
    text: str


class Card(Record, frozen=True, kw_only=True):
    """One judged item."""

    item_id: str
    category: str
    thumbnails: tuple[Thumbnail, ...]
    question: str
    choices: tuple[str, ...]
    chosen: str
    rejected: str
    origin: str
    readings: tuple[Reading, ...]
    base_was_right: bool | None
    """Whether the start model judged it right in both orders."""


class Gallery(Record, frozen=True, kw_only=True):
    """The sampled items of a gallery, and their source."""

    iteration: int
    items: str
    """`gold` or `held-out synthetic`."""
    right: tuple[Card, ...]
    wrong: tuple[Card, ...]
    rights: int
    """All items that were judged right in both orders."""
    wrongs: int

    def pictures(self) -> list[Thumbnail]:
        """Returns the pictures that are shown."""
        shown = [each for card in (*self.right, *self.wrong) for each in card.thumbnails]
        return [each for each in shown if each.uri]


def draw_gallery(
    history: LoopHistory, store: Store, images: ImageLibrary, settings: ReportSection, seed: int
) -> Gallery | None:
    """Draws items of the last evaluated iteration; None if there is nothing to show.

    Gold items are shown, or held-out ones where no gold was judged. Items that the start model
    judged wrong come first among the right ones, then the order is a hash of seed and item id.

    Raises:
        JudgeLoopError: Item results or pairs can't be read. An image that can't is left blank.
    """
    source = _source(history, store)
    if source is None or not settings.gallery:
        return None
    last, items, manifest, pairs = source
    drawn = _draw(store, manifest, _base(history, items, manifest), settings.gallery, seed)
    wanted = {result.item_id for part in (drawn.right, drawn.wrong) for result, _ in part}
    found = {pair.id: pair for pair in read_records(store, pairs, Pair) if pair.id in wanted}
    images.prefetch(sorted({name for pair in found.values() for name in pair.question.images}))
    thumbnails = Thumbnails(images, settings.thumbnail_px)
    right, wrong = (
        tuple(
            _card(result, found[result.item_id], base, thumbnails)
            for result, base in part
            if result.item_id in found
        )
        for part in (drawn.right, drawn.wrong)
    )
    return Gallery(
        iteration=last.number,
        items=items,
        right=right,
        wrong=wrong,
        rights=drawn.rights,
        wrongs=drawn.wrongs,
    )


def _source(history: LoopHistory, store: Store) -> tuple[Iteration, str, Manifest, Manifest] | None:
    """Returns the last iteration with results, its kind of items, the results and the pairs."""
    for items, stage in (("gold", "gold"), ("held-out synthetic", "hold_out")):
        for item in reversed(history.iterations):
            scores = item.gold if stage == "gold" else item.held_out
            pairs = finished(store, stage, scores.pairs) if scores else None
            if scores and pairs:
                return item, items, scores.manifest, pairs
    return None


def _base(history: LoopHistory, items: str, judged: Manifest) -> Manifest | None:
    """Returns the start model's results on the same items; None without any."""
    start = next((item for item in history.iterations if item.number == BASE_ITERATION), None)
    scores = None if start is None else start.gold if items == "gold" else start.held_out
    if scores is None or scores.manifest.inputs != judged.inputs:
        return None
    return scores.manifest


def _draw(store: Store, judged: Manifest, base: Manifest | None, count: int, seed: int) -> _Drawn:
    """Samples `count` right and wrong results in one pass, with one shard in memory."""

    def order(compared: Compared) -> tuple[bool, float]:
        result, base_was_right = compared
        improved = result.both_orders and base_was_right is False
        return (not improved, fraction("gallery", seed, result.item_id))

    right: list[Compared] = []
    wrong: list[Compared] = []
    rights = wrongs = 0
    for results in _compared(store, judged, base):
        good = [one for one in results if one[0].both_orders]
        bad = [one for one in results if not one[0].both_orders]
        rights, wrongs = rights + len(good), wrongs + len(bad)
        right = nsmallest(count, [*right, *good], key=order)
        wrong = nsmallest(count, [*wrong, *bad], key=order)
    return _Drawn(right, wrong, rights, wrongs)


def _compared(store: Store, judged: Manifest, base: Manifest | None) -> Iterator[list[Compared]]:
    """Yields a shard's results, each with the start model's, joined by id.

    Both were scored on the same set of pairs, shard by shard, so that their items match. Pairs of
    identical answers, of which neither is right, are left out.
    """
    shards = read_shards(store, judged, ItemResult)
    if base is None:
        for results in shards:
            yield [(result, None) for result in results if not result.identical]
        return
    for results, earlier in zip(shards, read_shards(store, base, ItemResult), strict=True):
        was_right = {result.item_id: result.both_orders for result in earlier}
        yield [
            (result, was_right.get(result.item_id)) for result in results if not result.identical
        ]


def _card(result: ItemResult, pair: Pair, base: bool | None, thumbnails: Thumbnails) -> Card:
    question = pair.question
    first, second = result.correct
    return Card(
        item_id=result.item_id,
        category=result.category,
        thumbnails=tuple(
            thumbnails.make(name, f"image {number} of {len(question.images)}")
            for number, name in enumerate(question.images, start=1)
        ),
        question=_clip(question.text),
        choices=question.choices or (),
        chosen=_clip(pair.chosen),
        rejected=_clip(pair.rejected),
        origin=origin_in_words(pair),
        readings=(
            _reading(True, result.chosen_first, first, result.chosen_first_text),
            _reading(False, result.rejected_first, second, result.rejected_first_text),
        ),
        base_was_right=base,
    )


def _reading(chosen_first: bool, choice: Choice, right: bool, text: str) -> Reading:
    shown = "better answer shown as A" if chosen_first else "better answer shown as B"
    verdict = "undecided" if choice is Choice.UNDECIDED else f"says {choice.value}"
    return Reading(shown=shown, verdict=verdict, right=right, text=_clip(text))


def origin_in_words(pair: Pair) -> str:
    """Describes where the pair's preference comes from."""
    if isinstance(pair.origin, Altered):
        return f"planted error ({pair.origin.error}): {pair.origin.place}"
    if isinstance(pair.origin, Voted):
        votes = sorted(pair.origin.counts.items(), key=lambda item: (-item[1], item[0]))
        return "votes: " + ", ".join(f"{name or 'unreadable'} {count}" for name, count in votes)
    return "gold label"


def _clip(text: str) -> str:
    """Truncates a long text and states how much is missing."""
    if len(text) <= TEXT_LIMIT:
        return text
    return f"{text[:TEXT_LIMIT]}… ({len(text) - TEXT_LIMIT} more characters)"
