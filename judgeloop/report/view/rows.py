"""The rows of the view: every pair with its judgements and those of the base."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from judgeloop.report.contact_sheet import Parts, marked
from judgeloop.report.gallery import origin_in_words
from judgeloop.report.view.outcomes import explained
from judgeloop.runtime.filtered_pairs import Joined
from judgeloop.runtime.ledger import BASE_ITERATION, Ledger
from judgeloop.schema.method_sections import FilteringSection
from judgeloop.schema.records import (
    Altered,
    Choice,
    ItemResult,
    Labelled,
    Manifest,
    Order,
    Pair,
    Voted,
    from_json,
)
from judgeloop.schema.results import Scores
from judgeloop.store import Store
from judgeloop.store.shards import finished, read_records

TEXT_LIMIT = 4000
"""Characters of a text that are shown."""
_PAIRS = {"evaluate": ("gold", "gold pairs"), "validate": ("hold_out", "held-out pairs")}


class Shown(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One judgement."""

    order: str
    verdict: str
    right: bool
    text: str


class Row(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A pair with the judgements of one judge."""

    group: str
    """The group of pairs: `gold pairs`, `held-out pairs`, `training pairs of iteration 1`."""
    id: str
    images: tuple[str, ...]
    """Content hashes."""
    question: str
    kind: str
    category: str
    choices: tuple[str, ...]
    chosen: Parts
    rejected: Parts
    origin: str
    outcome: str
    right: bool
    judged: tuple[Shown, ...]
    base: tuple[Shown, ...] = ()
    base_right: bool | None = None
    changed: bool = False
    """Whether the verdicts differ from the base's."""


class _Data(msgspec.Struct):
    max_pixels: int
    background: str


class _Loop(msgspec.Struct):
    seed: int


class Settings(msgspec.Struct):
    """The settings of a loop that determine which pairs are kept and how images are read."""

    filtering: FilteringSection
    loop: _Loop
    data: _Data


def read_settings(ledger: Ledger) -> Settings:
    """Returns the settings that a loop was started with.

    Raises:
        DataError, StoreError: They cannot be read.
    """
    place = f"loops/{ledger.loop_id}/loop.json"
    return from_json(ledger.store.read(place), Settings, place)


def read_rows(settings: Settings, ledger: Ledger) -> Iterator[Row]:
    """Yields the rows: gold and held-out pairs by the last judge, then pairs of every iteration.

    Raises:
        DataError, StoreError: A manifest or a shard cannot be read.
    """
    for stage in _PAIRS:
        yield from _measured(ledger, stage)
    judged = ledger.manifests("judge")
    last: dict[str, Manifest] = {}
    for iteration, pairs in sorted(ledger.manifests("synthesize").items()):
        by_pairs = {made.inputs[0]: made for made in judged.get(iteration, []) if made.inputs}
        joined = [
            (made, by_pairs[made.key]) for made in pairs if made.key in by_pairs and made.shards
        ]
        yield from _trained_on(settings, ledger.store, iteration, joined, last)
        last |= by_pairs


def _measured(ledger: Ledger, stage: str) -> Iterator[Row]:
    """Yields the pairs on which a judge is scored, with the base's verdicts on the same pairs."""
    store = ledger.store
    manifests = ledger.manifests(stage)
    iterations = [iteration for iteration in manifests if iteration > BASE_ITERATION]
    if not iterations:
        return
    last = manifests[max(iterations)][-1]
    place, group = _PAIRS[stage]
    pairs = finished(store, place, last.expect(Scores).pairs)
    if pairs is None:
        return
    base: dict[str, ItemResult] = {}
    for made in manifests.get(BASE_ITERATION, [])[-1:]:
        if made.expect(Scores).pairs == pairs.key:
            base = {result.item_id: result for result in _results(store, made)}
    results = {result.item_id: result for result in _results(store, last)}
    for pair in read_records(store, pairs, Pair):
        if pair.id in results:
            yield _measured_row(group, pair, results[pair.id], base.get(pair.id))


def _results(store: Store, manifest: Manifest) -> Iterator[ItemResult]:
    return (one for one in read_records(store, manifest, ItemResult) if not one.identical)


def _measured_row(group: str, pair: Pair, result: ItemResult, base: ItemResult | None) -> Row:
    verdicts = (result.chosen_first, result.rejected_first)
    row = _row(group, pair, _of_result(result), result.both_orders)
    outcome = "right in both orders" if result.both_orders else _missed(verdicts)
    row = msgspec.structs.replace(row, outcome=outcome)
    if base is None:
        return row
    return msgspec.structs.replace(
        row,
        base=_of_result(base),
        base_right=base.both_orders,
        changed=verdicts != (base.chosen_first, base.rejected_first),
    )


def _missed(verdicts: tuple[Choice, Choice]) -> str:
    if Choice.UNDECIDED in verdicts:
        return "undecided in an order"
    return "the same position in both orders" if len(set(verdicts)) == 1 else "wrong in both orders"


def _trained_on(
    settings: Settings,
    store: Store,
    iteration: int,
    joined: Sequence[Joined],
    last: Mapping[str, Manifest],
) -> Iterator[Row]:
    group = f"training pairs of iteration {iteration}"
    for one in explained(store, joined, last, settings.filtering, settings.loop.seed):
        shown = tuple(
            _shown(each.order, each.verdict.choice, each.text, each.verdict.reason, each.attack)
            for each in one.judgements
        )
        row = _row(group, one.pair, shown, one.kept)
        yield msgspec.structs.replace(row, outcome=one.said)


def _row(group: str, pair: Pair, judged: tuple[Shown, ...], right: bool) -> Row:
    question = pair.question
    chosen, rejected = clipped(pair.chosen), clipped(pair.rejected)
    plain: tuple[Parts, Parts] = (((chosen, False),), ((rejected, False),))
    shown = plain if isinstance(pair.origin, Voted) else marked(chosen, rejected)
    return Row(
        group=group,
        id=pair.id,
        images=question.images,
        question=clipped(question.text),
        kind=question.kind.value,
        category=_category(pair),
        choices=question.choices or (),
        chosen=shown[0],
        rejected=shown[1],
        origin=origin_in_words(pair),
        outcome="",
        right=right,
        judged=judged,
    )


def _category(pair: Pair) -> str:
    if isinstance(pair.origin, Labelled):
        return pair.origin.category
    return pair.origin.error if isinstance(pair.origin, Altered) else "vote"


def _of_result(result: ItemResult) -> tuple[Shown, ...]:
    return (
        _shown(Order.CHOSEN_FIRST, result.chosen_first, result.chosen_first_text),
        _shown(Order.REJECTED_FIRST, result.rejected_first, result.rejected_first_text),
    )


def _shown(
    order: Order, choice: Choice, text: str, reason: str | None = None, attack: str = ""
) -> Shown:
    first = order is Order.CHOSEN_FIRST
    place = f"better answer as {'A' if first else 'B'}"
    said = f"undecided ({reason})" if reason else "undecided"
    return Shown(
        order=f"{place}, the other with an attack: {attack}" if attack else place,
        verdict=said if choice is Choice.UNDECIDED else f"says {choice.value}",
        right=choice is (Choice.A if first else Choice.B),
        text=clipped(text),
    )


def clipped(text: str) -> str:
    """Truncates a long text and states how much is missing."""
    if len(text) <= TEXT_LIMIT:
        return text
    return f"{text[:TEXT_LIMIT]}… ({len(text) - TEXT_LIMIT:,} more characters)"


def to_page(row: Row) -> Any:
    """Returns a row in the form that the page's script reads."""
    return msgspec.to_builtins(row)
