"""Several shards on one engine: slots stay full, bytes stay the same, a kill costs those shards."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from judgeloop.engines.base import EngineDiedError
from judgeloop.engines.lazy import LazyEngine
from judgeloop.method.steps import Steps
from judgeloop.runtime.inference import Records, infer_shards, run_steps
from judgeloop.schema.errors import EngineError, StoreError
from judgeloop.schema.records import Dropped, Example, Manifest
from judgeloop.store import FolderStore
from judgeloop.store.shards import read_records
from tests.played_engine import PlayedEngine, at_random, request, two_steps

HEADER = Manifest(stage="judge", stage_version=1, key="k")
BATCHES = [[f"{letter}{n}" for n in range(3)] for letter in "abzcdefg"]
NAMES = [f"judge/k/{index:05d}.jsonl" for index in range(len(BATCHES))]
IN_FLIGHT = 3
LONG_S = 30.0


class WatchedStore(FolderStore):
    """Notes what is created, in order, and does something before."""

    def __init__(self, root: Path, before: Callable[[str], None] = lambda key: None) -> None:
        super().__init__(root)
        self.created: list[str] = []
        self.before = before

    def create(self, key: str, data: bytes) -> bool:
        self.before(key)
        self.created.append(key)
        return super().create(key, data)


def run(
    store: FolderStore, engine: PlayedEngine | LazyEngine, in_flight: int = IN_FLIGHT
) -> Manifest:
    return infer_shards(engine, store, HEADER, BATCHES, two_steps, in_flight)


def contents(store: FolderStore) -> dict[str, bytes]:
    return {key: store.read(key) for key in store.list("judge/k")}


def begun(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The shards that were begun, in order."""
    return [
        message.split("name=")[1].split()[0]
        for message in caplog.messages
        if message.startswith("shard started")
    ]


@pytest.fixture
def unbroken(tmp_path: Path) -> dict[str, bytes]:
    """What the shards hold where one input is worked on after the other."""
    store = FolderStore(tmp_path / "unbroken")
    run(store, PlayedEngine(slots=1), in_flight=1)
    return contents(store)


def test_a_shard_holds_what_its_inputs_became_and_what_that_cost(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    written = run(store, PlayedEngine())
    assert [example.id for example in read_records(store, written, Example)] == [
        name for batch in BATCHES for name in batch if "z" not in name
    ]
    assert [shard.key for shard in written.shards] == NAMES
    assert written.counts == {
        "inputs": 24, "rows": 21, "dropped/tie": 3, "tokens/completion": 21 * 3 + 3 * 2,
    }  # fmt: skip
    assert store.read(NAMES[0]).splitlines()[-1] == b'{"tokens/completion":9}'


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("slots", [1, 4, 50])
def test_answers_out_of_order_give_the_same_bytes_stored_in_order(
    tmp_path: Path, unbroken: dict[str, bytes], slots: int, seed: int
) -> None:
    store = WatchedStore(tmp_path / "store")
    engine = PlayedEngine(slots, at_random(seed))
    run(store, engine)
    assert contents(store) == unbroken
    assert store.created == NAMES
    if slots > 1:
        assert engine.answered != sorted(engine.answered)


def test_a_slow_request_holds_up_nothing_but_what_may_not_be_begun(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    slow = "a1/0"
    begun_before: list[list[str]] = []

    def choose(waiting: Sequence[str]) -> str:
        others = [name for name in waiting if name != slow]
        if not others and not begun_before:
            begun_before.append(begun(caplog))
        return others[0] if others else slow

    engine = PlayedEngine(4, choose)
    store = FolderStore(tmp_path)
    run(store, engine)
    assert begun_before == [NAMES[:IN_FLIGHT]]
    before = engine.answered[: engine.answered.index(slow)]
    assert {name.split("/")[0] for name in before} == {
        name for batch in BATCHES[:IN_FLIGHT] for name in batch
    }
    assert store.list("judge/k") == NAMES


def test_all_slots_are_taken_as_long_as_there_is_anything_to_ask(tmp_path: Path) -> None:
    free: list[int] = []
    engine = PlayedEngine(5, at_random(1), lambda waiting: free.append(5 - len(waiting)))
    run(FolderStore(tmp_path), engine, in_flight=len(BATCHES))
    busy = len(engine.answered) - 12  # at the end there is too little to ask
    assert free[:busy] == [0] * busy


def test_a_freed_slot_takes_the_next_step_before_the_next_input(tmp_path: Path) -> None:
    engine = PlayedEngine(slots=2)
    run(FolderStore(tmp_path), engine)
    assert engine.asked[:6] == ["a0/0", "a0/1", "a1/0", "a0/2", "a1/1", "a2/0"]


def test_the_oldest_shards_steps_come_first_then_inputs_not_begun_then_other_steps(
    tmp_path: Path,
) -> None:
    def held_back(waiting: Sequence[str]) -> str:
        """The first input is answered last, so its shard stays the oldest."""
        return next((name for name in waiting if name != "a0/0"), "a0/0")

    engine = PlayedEngine(4, held_back)
    run(FolderStore(tmp_path), engine, in_flight=2)
    first_steps = [f"{name}/{request}" for name in ("b0", "b1", "b2") for request in (0, 1)]
    asked = [name for name in engine.asked if name[0] in "ab"]
    assert asked[:8] == ["a0/0", "a0/1", "a1/0", "a1/1", "a2/0", "a2/1", "a1/2", "b0/0"]
    assert asked[8:] == ["a2/2", *first_steps[1:], "b0/2", "b1/2", "b2/2", "a0/2"]


def test_requests_are_made_when_there_is_room_for_them(tmp_path: Path) -> None:
    made: list[str] = []
    ahead: list[int] = []

    def steps(name: str) -> Steps[Records]:
        made.append(name)
        yield [request(name)]
        return [Dropped(id=name, reason="tie")]

    engine = PlayedEngine(4, at_random(2), lambda _: ahead.append(len(made)))
    infer_shards(engine, FolderStore(tmp_path), HEADER, BATCHES, steps, 100)
    assert [count - done for done, count in enumerate(ahead)][:-4] == [4] * (len(ahead) - 4)


@pytest.mark.parametrize("in_flight", [1, 3])
def test_no_more_shards_are_begun_than_may_be_in_flight(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, in_flight: int
) -> None:
    caplog.set_level("INFO")
    most = 0

    def look(_: object) -> None:
        nonlocal most
        most = max(most, len(begun(caplog)) - len(store.created))

    store = WatchedStore(tmp_path)
    run(store, PlayedEngine(50, at_random(3), look), in_flight)
    assert most == in_flight


@pytest.mark.parametrize("polls", range(0, 69, 4))
def test_a_kill_at_any_moment_costs_the_shards_in_flight_at_most(
    tmp_path: Path, unbroken: dict[str, bytes], caplog: pytest.LogCaptureFixture, polls: int
) -> None:
    caplog.set_level("INFO")
    store = FolderStore(tmp_path / "store")
    left = [polls]

    def kill(_: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(store, PlayedEngine(7, at_random(polls), kill))
    first, stored = begun(caplog), set(store.list("judge/k"))
    caplog.clear()
    written = run(store, PlayedEngine(7, at_random(polls)))
    assert contents(store) == unbroken
    assert written.counts["inputs"] == 24
    again = begun(caplog)
    assert not set(again) & stored
    assert len(set(first) & set(again)) <= IN_FLIGHT
    assert set(first) | set(again) == set(NAMES)


def test_the_model_works_on_while_shards_are_stored(tmp_path: Path) -> None:
    go = threading.Event()

    def before_poll(waiting: Sequence[str]) -> None:
        if any(name.startswith("z") for name in waiting):  # the third shard, of three in flight
            assert store.created == []
            go.set()

    def wait(_: str) -> None:
        assert go.wait(LONG_S), "the model waited for the store"

    store = WatchedStore(tmp_path, wait)
    run(store, PlayedEngine(2, before_poll=before_poll))
    assert store.created == NAMES


def test_a_store_that_fails_ends_the_stage_and_no_shard_comes_after_the_gap(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    def full(key: str) -> None:
        if key == NAMES[1]:
            raise StoreError(f"cannot write {key}: no space left")

    store = WatchedStore(tmp_path, full)
    with pytest.raises(StoreError, match="no space left"):
        run(store, PlayedEngine(7))
    assert store.list("judge/k") == NAMES[:1]
    assert len(begun(caplog)) <= 1 + IN_FLIGHT


def test_complete_shards_are_stored_though_the_work_on_others_fails(tmp_path: Path) -> None:
    def fail(waiting: Sequence[str]) -> None:
        if any(name.startswith("c") for name in waiting):
            raise EngineError("out of memory")

    store = FolderStore(tmp_path)
    with pytest.raises(EngineError, match="out of memory"):
        run(store, PlayedEngine(1, before_poll=fail))
    assert store.list("judge/k") == NAMES[:3]


def test_of_two_failures_the_one_of_the_store_is_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    failed = threading.Event()

    def full(key: str) -> None:
        assert failed.wait(LONG_S)
        raise StoreError(f"cannot write {key}: no space left")

    def fail(waiting: Sequence[str]) -> None:
        if any(name.startswith("b") for name in waiting):
            failed.set()
            raise EngineError("out of memory")

    with pytest.raises(EngineError, match="out of memory"):
        run(WatchedStore(tmp_path, full), PlayedEngine(1, before_poll=fail))
    assert f"not in the store: cannot write {NAMES[0]}: no space left" in caplog.text


@pytest.mark.parametrize("deaths", [1, 2])
def test_an_engine_that_dies_is_asked_anew_and_dies_for_good_the_second_time(
    tmp_path: Path, unbroken: dict[str, bytes], deaths: int
) -> None:
    left = [deaths]

    def die(waiting: Sequence[str]) -> None:
        if left[0] and any(name.startswith("d") for name in waiting):
            left[0] -= 1
            raise EngineDiedError("killed for memory")

    engines: list[PlayedEngine] = []

    def start() -> PlayedEngine:
        engines.append(PlayedEngine(4, at_random(4), die))
        return engines[-1]

    store = FolderStore(tmp_path / "store")
    if deaths == 2:
        with pytest.raises(EngineDiedError, match="died again after a restart"):
            run(store, LazyEngine(start))
        assert set(NAMES[:2]) <= set(store.list("judge/k")) < set(NAMES)
    else:
        run(store, LazyEngine(start))
        assert contents(store) == unbroken
        twice = set(engines[0].asked) & set(engines[1].asked)
        assert 0 < len(twice) <= 4  # what was not answered, and no more
    assert len(engines) == 2


def test_finished_shards_start_no_engine_and_are_counted(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    written = run(store, PlayedEngine())

    def start() -> PlayedEngine:
        raise AssertionError("nothing is left to ask")

    advanced: list[int] = []
    again = infer_shards(
        LazyEngine(start), store, HEADER, BATCHES, two_steps, IN_FLIGHT, advance=advanced.append
    )
    assert again == written
    assert advanced == [3] * len(BATCHES)


def test_an_error_while_inputs_are_read_ends_the_stage(tmp_path: Path) -> None:
    def batches():  # type: ignore[no-untyped-def]
        yield from BATCHES[:2]
        raise StoreError("cannot read the pairs")

    store = FolderStore(tmp_path)
    with pytest.raises(StoreError, match="cannot read the pairs"):
        infer_shards(PlayedEngine(), store, HEADER, batches(), two_steps, IN_FLIGHT)


def test_an_input_without_a_request_and_an_empty_shard_are_finished_at_once(
    tmp_path: Path,
) -> None:
    def steps(name: str) -> Steps[Records]:
        if name == "b":
            yield [request(name)]
        return [Dropped(id=name, reason="tie")]

    store, batches = FolderStore(tmp_path), [["a"], [], ["b", "c"]]
    written = infer_shards(PlayedEngine(), store, HEADER, batches, steps, 1)
    assert [row.rows for row in written.shards] == [0, 0, 0]
    assert written.counts["dropped/tie"] == 3


def test_one_input_is_run_alone() -> None:
    (made,) = run_steps(PlayedEngine(), two_steps("a"))
    assert isinstance(made, Example)
    assert (made.prompt, made.completion) == ("to a/0, to a/1", "to a/2")
