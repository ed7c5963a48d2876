"""What a judge is trained on, over several iterations, and which judge it goes on from."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from judgeloop.runtime.ledger import Entry, Ledger
from judgeloop.runtime.stages.train import train
from judgeloop.runtime.stages.training_set import TrainingSet, earlier_examples, start_model
from judgeloop.schema.config import load_config
from judgeloop.schema.records import Example, Manifest, ModelRef
from judgeloop.schema.results import Training
from judgeloop.schema.training_section import TrainingSection
from judgeloop.store import FolderStore
from judgeloop.store.shards import Work, finish, write_shards
from tests.conftest import REPOSITORY
from tests.unit.test_decide import validation

MICRO = REPOSITORY / "pipelines/configs/micro.yaml"
JUDGES = [ModelRef(base="scripted:", adapter=f"a{at}", adapter_sha256=f"{at}") for at in range(4)]


def settings(**changes: object) -> TrainingSection:
    return msgspec.structs.replace(load_config(MICRO).training, **changes)


def examples(store: FolderStore, iteration: int, pairs: int) -> Manifest:
    rows = [
        Example(id=f"pair{at}/{order}/0", images=(), prompt="p", completion=f"{iteration}")
        for at in range(pairs)
        for order in ("chosen_first", "rejected_first")
    ]
    header = Manifest(stage="filter", stage_version=1, key=f"filtered{iteration}")
    return finish(store, write_shards(store, header, [rows], lambda batch: Work(list(batch))))


@pytest.fixture
def loop(tmp_path: Path) -> Ledger:
    """Three iterations: 20, 30 and 10 kept pairs; the second judge validated best."""
    store = FolderStore(tmp_path)
    ledger = Ledger(store, "loop")
    for at, score in enumerate((0.1, 0.6, 0.9, 0.9)):
        scored = msgspec.structs.replace(validation(at, score), model=JUDGES[at])
        ledger.record(Entry(stage="validate", iteration=at, manifest=scored))
    for at, pairs in ((1, 20), (2, 30), (3, 10)):
        made = examples(store, at, pairs)
        ledger.record(Entry(stage="filter", iteration=at, manifest=made))
    return ledger


def trained_on(loop: Ledger, iteration: int, **changes: object) -> TrainingSet:
    rules = settings(**changes)
    (current,) = loop.manifests("filter")[iteration]
    earlier = earlier_examples(rules, loop, iteration)
    return TrainingSet(rules, loop.store, current, earlier, seed=0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"3": 20}),
        ({"data": "all"}, {"1": 40, "2": 60, "3": 20}),
        ({"data": "mixture", "current_share": 1.0}, {"3": 20}),
        ({"data": "mixture", "current_share": 0.1}, {"1": 40, "2": 60, "3": 20}),
    ],
)
def test_this_iteration_s_examples_all_so_far_or_a_mixture_train(
    changes: dict[str, object], expected: dict[str, int], loop: Ledger
) -> None:
    rows = trained_on(loop, 3, **changes)
    assert Counter(example.completion for example in rows) == expected
    assert rows.rows == sum(expected.values())


@pytest.mark.parametrize(("share", "earlier"), [(0.5, 20), (0.25, 60)])
def test_a_mixture_draws_its_share_of_earlier_examples_with_both_orders_alike(
    share: float, earlier: int, loop: Ledger
) -> None:
    rows = list(trained_on(loop, 3, data="mixture", current_share=share))
    drawn = [example for example in rows if example.completion != "3"]
    assert len(drawn) == earlier
    assert set(Counter(example.id.split("/")[1] for example in drawn).values()) == {earlier // 2}
    assert {example.completion for example in drawn} == {"1", "2"}
    assert rows == list(trained_on(loop, 3, data="mixture", current_share=share))


def test_the_first_iteration_has_no_earlier_examples_and_later_ones_don_t_count(
    loop: Ledger,
) -> None:
    for data in ("all", "mixture"):
        assert trained_on(loop, 1, data=data).rows == 40
    assert trained_on(loop, 2, data="all").rows == 100


@pytest.mark.parametrize(
    ("start", "iteration", "adapter"),
    [
        ("previous", 4, "a3"), ("base", 4, None), ("best", 4, "a2"), ("best", 2, "a1"),
        ("best", 1, "a0"),
    ],
)  # fmt: skip
def test_training_goes_on_from_the_judge_before_the_best_so_far_or_the_base(
    start: str, iteration: int, adapter: str | None, loop: Ledger
) -> None:
    found = start_model(settings(start=start), loop, iteration, JUDGES[iteration - 1])
    assert found.adapter == adapter


def test_a_judge_is_trained_on_all_so_far_and_its_manifest_names_them(loop: Ledger) -> None:
    base = ModelRef(base="scripted:")
    config = load_config(MICRO, ["training.data=all"])
    (current,) = loop.manifests("filter")[2]
    made = train(config, loop.store, loop, 2, current, base)
    assert made.expect(Training).examples == 100
    assert set(made.inputs) == {"filtered1", "filtered2"}
    plain = train(load_config(MICRO), loop.store, loop, 2, current, base)
    assert plain.expect(Training).examples == 60
    assert plain.key != made.key
