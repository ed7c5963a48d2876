"""Selects a training's examples, from which iterations, and its start model."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

from judgeloop.models.references import without_adapter
from judgeloop.runtime.ledger import Ledger
from judgeloop.schema.keys import fraction
from judgeloop.schema.records import Example, Manifest, ModelRef, Order
from judgeloop.schema.results import Scores
from judgeloop.schema.training_section import TrainingSection
from judgeloop.store import Store
from judgeloop.store.shards import read_records


def start_model(
    settings: TrainingSection, ledger: Ledger, iteration: int, current: ModelRef
) -> ModelRef:
    """Returns the model that training starts from, by `training.start`.

    `best` is the judge of an earlier iteration, including the start model, that did best on the
    held-out pairs; the earlier one of equals.
    """
    if settings.start == "base":
        return without_adapter(current)
    if settings.start == "previous":
        return current
    scored = {
        number: made[-1]
        for number, made in sorted(ledger.manifests("validate").items())
        if number < iteration
    }
    if not scored:
        return current
    best = max(scored, key=lambda number: (_score(scored[number]), -number))
    return scored[best].model or current


def earlier_examples(settings: TrainingSection, ledger: Ledger, iteration: int) -> list[Manifest]:
    """Returns earlier iterations' examples that are also trained on, the oldest first."""
    if settings.data == "current":
        return []
    found = sorted(ledger.manifests("filter").items())
    return [made[-1] for number, made in found if number < iteration]


class TrainingSet:
    """The examples of one training, the earlier ones first.

    In a mixture the current ones are `current_share` of all, if there are enough earlier ones:
    the same number of each order is sampled from these, by seed, so that A and B stay balanced.

    Args:
        settings: Its `data` and `current_share` are used.
        store: Store of the examples.
        current: This iteration's examples.
        earlier: Examples of earlier iterations.
        seed: Seed of the sample.
    """

    def __init__(
        self,
        settings: TrainingSection,
        store: Store,
        current: Manifest,
        earlier: Sequence[Manifest],
        seed: int,
    ) -> None:
        self._store = store
        self._current = current
        self._earlier = earlier
        self._seed = seed
        self._last = dict.fromkeys(Order, 1.0)
        if settings.data == "mixture":
            share = settings.current_share
            self._last = self._drawn(round(current.rows * (1 - share) / share / len(Order)))
        self.rows = sum(1 for _ in self._drawn_earlier()) + current.rows
        """Number of examples."""

    def __iter__(self) -> Iterator[Example]:
        """Yields the examples."""
        yield from self._drawn_earlier()
        yield from read_records(self._store, self._current, Example)

    def _drawn_earlier(self) -> Iterator[Example]:
        for made in self._earlier:
            for example in read_records(self._store, made, Example):
                if self._draw(made, example) <= self._last[_order(example)]:
                    yield example

    def _drawn(self, each: int) -> dict[Order, float]:
        """Returns the largest sampled hash of each order, for at most `each` examples."""
        draws = {order: array("d") for order in Order}
        for made in self._earlier:
            for example in read_records(self._store, made, Example):
                draws[_order(example)].append(self._draw(made, example))
        count = min(each, *map(len, draws.values()))
        return {order: sorted(found)[count - 1] if count else -1.0
                for order, found in draws.items()}  # fmt: skip

    def _draw(self, made: Manifest, example: Example) -> float:
        return fraction("mixture", self._seed, made.key, example.id)


def _order(example: Example) -> Order:
    return Order(example.id.split("/")[-2])


def _score(validation: Manifest) -> float:
    return validation.expect(Scores).card.both_orders
