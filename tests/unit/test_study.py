"""The study: what its arms do to the pairs, that no user can ask for it, and the page it writes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.study.arms import ARMS, runs
from benchmarks.study.best_prompt import GoldPair, matches, nearer
from benchmarks.study.loop import majority_right, right_share
from benchmarks.study.page import write_page
from benchmarks.study.relabel import by_answer, correct_answers, noisy, relabelled, swapped
from benchmarks.study.sight import KINDS
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.records import Altered, Example, Kind, Manifest, Pair, Question, Voted
from judgeloop.store import FolderStore
from judgeloop.store.shards import Work, finish, read_records, write_shards
from judgeloop.tiny.dataset import write_questions
from tests.conftest import REPOSITORY

ARM = {arm.name: arm for arm in ARMS}


def pair(number: int, chosen: str = "red", rejected: str = "blue", **counts: int) -> Pair:
    counts = counts or {"red": 9, "blue": 4, "green": 3}
    question = Question(
        id=f"q{number:06d}", images=("aa",), text="colour of cross", kind=Kind.SHORT_PHRASE
    )
    origin = Voted(counts=counts)
    return Pair(id=f"p{number}", question=question, chosen=chosen, rejected=rejected, origin=origin)


def caption(number: int) -> Pair:
    question = Question(id=f"c{number}", images=("aa",), text="caption", kind=Kind.CAPTION)
    origin = Altered(error="count", place="a -> b")
    return Pair(
        id=f"o{number}", question=question, chosen="red cross north", rejected="", origin=origin
    )


def stored(store: FolderStore, pairs: list[Pair]) -> Manifest:
    header = Manifest(stage="synthesize", stage_version=1, key="k", partition=0)
    return finish(store, write_shards(store, header, [pairs[:3], pairs[3:]], lambda b: Work(b)))


def test_noise_exchanges_the_answers_of_its_share_by_seed_and_leaves_the_others_alone() -> None:
    pairs = [pair(number) for number in range(3000)]
    made = [noisy(0.2, 7)(one) for one in pairs]
    assert made == [noisy(0.2, 7)(one) for one in pairs]
    changed = [at for at, one in enumerate(made) if one != pairs[at]]
    assert 0.17 < len(changed) / len(pairs) < 0.23
    assert all(made[at] == swapped(pairs[at]) for at in changed)
    assert {made[at].id for at in changed}.isdisjoint(one.id for one in pairs)
    assert changed != [at for at, one in enumerate(pairs) if noisy(0.2, 8)(one) != one]


@pytest.mark.parametrize("answer", ["red", "blue", "green", "grey"])
def test_a_pair_is_kept_where_its_majority_is_the_correct_answer(answer: str) -> None:
    made = by_answer({"q000001": answer})(pair(1))
    assert made == (pair(1) if answer == "red" else None)


def test_the_world_s_answers_belong_to_the_questions_that_the_loop_is_given(tmp_path: Any) -> None:
    file = write_questions(tmp_path, 40, 5)
    rows = {row["id"]: row for row in map(json.loads, file.read_text().splitlines())}
    answers = correct_answers(40, 5)
    assert answers.keys() == rows.keys()
    for name, row in rows.items():
        assert (row["text"] == "caption") == (" " in answers[name])
        if row["choices"]:
            assert answers[name] in row["choices"]


def test_each_arm_is_trained_on_the_pairs_that_it_names(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FolderStore(tmp_path)
    answers = {f"q{number:06d}": ("red", "blue", "grey")[number % 3] for number in range(6)}
    monkeypatch.setattr("benchmarks.study.relabel.correct_answers", lambda *_: answers)
    made = stored(store, [*map(pair, range(6)), *map(caption, range(4))])

    def chosen(arm: str) -> list[str]:
        used = relabelled(store, made, ARM[arm], 6, 0)
        assert (used.partition, used.key == made.key) == (0, arm == "method")
        if arm == "correct":
            names = [one.question.id for one in read_records(store, used, Pair)]
            assert names == ["q000000", "q000003"]
        return [one.chosen for one in read_records(store, used, Pair)]

    assert relabelled(store, made, ARM["method"], 6, 0) is made
    assert chosen("majority") == ["red"] * 6
    assert chosen("correct") == chosen("majority_cut") == ["red"] * 2
    assert majority_right(store, made, answers) == pytest.approx(1 / 3)


def test_the_share_of_right_letters_goes_by_what_synthesis_preferred(tmp_path: Any) -> None:
    store = FolderStore(tmp_path)
    pairs = [pair(number) for number in range(4)]
    made = stored(store, pairs)
    wrong = swapped(pairs[0])
    header = Manifest(stage="study", stage_version=1, key="s")
    used = write_shards(store, header, [[wrong, *pairs[1:]]], lambda batch: Work(batch))
    rows = [
        Example(id=f"{name}/{order}/0", images=(), prompt="", completion=f"I see red {letter}")
        for name, order, letter in (
            (wrong.id, "chosen_first", "A"), ("p1", "chosen_first", "A"),
            ("p2", "rejected_first", "B"), ("p3", "rejected_first", "A"),
        )
    ]  # fmt: skip
    header = Manifest(stage="filter", stage_version=1, key="f")
    examples = write_shards(store, header, [rows], lambda batch: Work(batch))
    assert right_share(store, examples, used, made) == 0.5


@pytest.mark.parametrize("key", ["noise", "used_gold", "pairs", "correct"])
@pytest.mark.parametrize("section", ["synthesis", "filtering", "training", "loop"])
def test_no_configuration_can_ask_for_what_the_study_does_to_pairs(section: str, key: str) -> None:
    preset = REPOSITORY / "pipelines" / "configs" / "tiny.yaml"
    with pytest.raises(ConfigError):
        load_config(preset, [f"{section}.{key}=0.1"])


def test_nothing_of_the_product_imports_the_study() -> None:
    for folder in ("judgeloop", "pipelines", "components", "images"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert "import benchmarks" not in text, path
            assert "from benchmarks" not in text, path


def test_what_used_gold_is_known_as_such() -> None:
    assert [arm.name for arm in ARMS if arm.used_gold] == ["correct", "majority_cut"]


def test_every_arm_has_a_run_and_the_first_seeds_come_first() -> None:
    seeds = [seed for _, seed in runs()]
    assert seeds == sorted(seeds)
    assert [arm for arm, seed in runs() if seed == 0] == list(ARMS)
    assert {arm.name for arm, seed in runs() if seed == 1} == {"method", "unfiltered", "shuffled"}


def gold(chosen: str, rejected: str) -> GoldPair:
    return GoldPair("caption", None, "caption", chosen, rejected)  # type: ignore[arg-type]


def test_an_own_answer_is_read_as_equal_or_as_nearer_to_one_of_the_two() -> None:
    both = gold("red cross north, blue circle south", "red cross north, blue circle west")
    assert matches(both.chosen, both)
    assert not matches(both.rejected, both)
    assert not matches("red cross north", both)
    assert nearer("red cross east, blue circle south", both)
    assert not nearer(both.rejected, both)
    assert not nearer("grey square east", both)  # as far from either: no verdict


def a_run(arm: str, seed: int) -> dict[str, Any]:
    """Made-up figures in the form of an arm's."""
    row = {
        "validation": 0.5, "validation_n": 9, "n": 10, "both_orders": 0.4 + seed / 10, "low": 0.2,
        "high": 0.9, "accuracy": 0.6, "first_position": 0.5, "undecided": 0.0,
        "clear_probes": [0, 1], "categories": {"caption": [0.5, 5], "closed/count": [0.25, 5]},
    }  # fmt: skip
    training = {
        "pairs": 7, "kept_share": 0.5, "examples": 6, "right": 0.75, "majority_right": 0.875,
    }  # fmt: skip
    return {
        "arm": arm, "seed": seed, "iterations": [row, row], "trainings": [training],
        "baselines": {"always_first": [0.0, 0.5]}, "sight": [dict.fromkeys(KINDS, 0.125)] * 2,
        "unplanted": [{"swapped colours": [0.0, 4]}, {"swapped colours": [0.75, 4]}],
        "gate": {"decision": "refuse", "reason": "it was trained with the gold labels"},
    }  # fmt: skip


def test_the_page_holds_every_arm_and_every_way_of_asking(tmp_path: Any) -> None:
    way = {
        "n": 10, "both_orders": 0.96, "low": 0.9, "high": 0.99, "accuracy": 0.97, "captions": 1.0,
        "unplanted": {"swapped colours": 0.3},
    }  # fmt: skip
    ways = {"judge: …, its letter": way | {"both_orders": 0.0}, "choose: …, its letter": way}
    write_page([a_run(arm.name, seed) for arm, seed in runs()], ways, tmp_path)
    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    first = page.split("\n\n")[1]
    assert "is right in both orders on 0.960" in first
    assert all(f"| {arm.label} |" in page for arm in ARMS)
    assert "| choose: …, its letter | **0.960** [0.900, 0.990] | 0.970 | 1.000 |" in page
    assert "| untrained: choose: …, its letter | 0.300 |" in page
    assert "the gate refuses them" in page
    assert "| caption | 5 | 0.500 | 0.500 |" in page
    assert "nan" not in page.lower().replace("finance", "")
    assert (tmp_path / "images" / "results.svg").read_text().count("<svg") == 1
