"""Benchmarks judged by the real stage: order rule, prompt bytes, samples, images, figures."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from judgeloop.evaluation.benchmarks import BENCHMARKS
from judgeloop.evaluation.benchmarks.base import Item
from judgeloop.evaluation.benchmarks.judging import ProtocolPrompts, item_pair
from judgeloop.evaluation.benchmarks.prompts import OfficialPrompt
from judgeloop.evaluation.benchmarks.score import score
from judgeloop.evaluation.benchmarks.vl_rewardbench import VL_REWARDBENCH
from judgeloop.evaluation.benchmarks.vl_rewardbench.load import load
from judgeloop.method.judging.orders import judge_request
from judgeloop.method.prompts import prompt_hash
from judgeloop.prompt_sets import load_prompts
from judgeloop.runtime.stages.evaluate import evaluate
from judgeloop.schema.config import Config, load_config
from judgeloop.schema.errors import ConfigError, DataError
from judgeloop.schema.records import Judgement, Manifest, ModelRef
from judgeloop.schema.results import BenchmarkScores, Scores
from judgeloop.store import FolderStore
from judgeloop.store.checksums import sha256_bytes
from judgeloop.store.shards import finished, read_records
from tests.benchmark_rows import mm_row, rlhf_row, shared, vl_row, write_lines
from tests.conftest import REPOSITORY
from tests.unit.test_images import picture

MODEL = ModelRef(base="scripted:skill=1.0,gain=0.5")
TEMPLATE = " Asked: {question}\n\nOne: {first}\n\nTwo: {second}"
SCRIPT = "def ask(row, answers):\n    return f''' Asked: {row[\"query\"]}\n\nOne: {answers[0]}\n\n\
Two: {answers[1]}'''\n"
PROMPT = OfficialPrompt(
    script="ask.py",
    fields={"question": "row['query']", "first": "answers[0]", "second": "answers[1]"},
    sha256=sha256_bytes(TEMPLATE.encode()),
    deleted="<image>\n",
)


def write_vl(folder: Path, missing: int = 0) -> Path:
    rows = [vl_row(number, ranking=(number % 2, 1 - number % 2)) for number in range(12)]
    (folder / "images").mkdir(parents=True)
    for number in range(missing, 12):
        (folder / "images" / f"{number}.png").write_bytes(picture(number))
    write_lines(folder / "data.jsonl", rows)
    return folder


def write_mm(folder: Path) -> Path:
    rows = [mm_row(f"nocaps_{n}", "knowledge", first=n % 2 == 0) for n in range(6)]
    (folder / "images").mkdir(parents=True)
    for number, row in enumerate(rows):
        (folder / row["Image"]).write_bytes(picture(number))
    (folder / "all_data.json").write_text(json.dumps(rows))
    return folder


def write_rlhf(folder: Path) -> Path:
    rows = [rlhf_row("a", n, f"mcq/{n}.png") for n in range(6)]
    (folder / "mcq").mkdir(parents=True)
    for number in range(6):
        (folder / "mcq" / f"{number}.png").write_bytes(picture(number))
    write_lines(folder / "mm_reward_bench.jsonl", rows)
    return folder


def configured(benchmarks: str, data: dict[str, Path], *changes: str) -> Config:
    places = "{" + ", ".join(f"{name}: {path}" for name, path in data.items()) + "}"
    return load_config(
        REPOSITORY / "pipelines/configs/micro.yaml",
        [f"evaluation.data={places}", f"evaluation.benchmarks={benchmarks}",
         "evaluation.samples=3", *changes],
    )  # fmt: skip


def parts(store: FolderStore, made: Manifest) -> list[Manifest]:
    """The manifests of the further sets."""
    found = [finished(store, "evaluate", key) for key in made.inputs]
    return [one for one in found if one and isinstance(one.result, BenchmarkScores)]


WRITERS: dict[str, Callable[[Path], Path]] = {
    "vl-rewardbench": write_vl,
    "mm-rewardbench": write_mm,
    "mm-rlhf-rewardbench": write_rlhf,
}


def test_three_benchmarks_and_the_gold_pairs_are_evaluated_at_once(tmp_path: Path) -> None:
    data = {name: write(tmp_path / name) for name, write in WRITERS.items()}
    config, store = configured(f"[{', '.join(data)}]", data), FolderStore(tmp_path / "store")
    made = evaluate(config, store, 1, MODEL)
    assert made.result.metrics()["both_orders"] >= 0
    assert made.result.metrics()["benchmark/vl-rewardbench/official/items"] == 12
    assert made.result.metrics()["benchmark/mm-rewardbench/official/all/total"] == 6
    assert made.result.metrics()["benchmark/mm-rlhf-rewardbench/official/all/questions"] == 1
    for name, items in (("vl-rewardbench", 12), ("mm-rewardbench", 6), ("mm-rlhf-rewardbench", 6)):
        assert made.result.metrics()[f"benchmark/{name}/strict/items"] == items
    found = {one.expect(BenchmarkScores).benchmark: one for one in parts(store, made)}
    assert set(found) == set(BENCHMARKS)
    assert found["vl-rewardbench"].rows == 12 * 2 * 3
    assert "data.jsonl" in found["vl-rewardbench"].expect(BenchmarkScores).asked.data
    assert evaluate(config, store, 1, MODEL) == made


def test_the_stored_judgements_give_the_same_figures_again(tmp_path: Path) -> None:
    folder = write_vl(tmp_path / "vl")
    config = configured("[vl-rewardbench]", {"vl-rewardbench": folder})
    store = FolderStore(tmp_path / "store")
    (made,) = parts(store, evaluate(config, store, 1, MODEL))
    judgements = list(read_records(store, made, Judgement))
    endings = {"A": VL_REWARDBENCH.endings[0], "B": VL_REWARDBENCH.endings[1], "UNDECIDED": ""}
    lines = [
        {"pair_id": j.pair_id, "order": j.order, "sample": j.sample,
         "text": endings[j.verdict.choice]} for j in judgements
    ]  # fmt: skip
    again = score(VL_REWARDBENCH, folder, write_lines(tmp_path / "own.jsonl", lines))
    assert again.official == json.loads(made.details["official"])
    assert again.official["items"] == 12
    assert again.details["samples_per_item"] == 3


def test_items_without_an_image_are_counted_and_not_judged(tmp_path: Path) -> None:
    folder = write_vl(tmp_path / "vl", missing=5)
    config = configured("[vl-rewardbench]", {"vl-rewardbench": folder})
    store = FolderStore(tmp_path / "store")
    whole = evaluate(config, store, 1, MODEL)
    (made,) = parts(store, whole)
    assert made.counts["dropped/missing_image"] == 5
    scores = whole.expect(Scores)
    data = sha256_bytes((folder / "data.jsonl").read_bytes())[:12]
    assert scores.protocols == {
        "vl-rewardbench": "protocol VL_RewardBench 9b10abd, 3 samples an order, prompt judgeloop's "
        f"tiny, data data.jsonl {data}, 5 items left out"
    }
    assert scores.prompt_hash == prompt_hash(load_prompts("tiny"))
    assert made.result.metrics()["official/items"] == 7
    with pytest.raises(DataError, match="no item of vl-rewardbench has an image"):
        evaluate(
            configured("[vl-rewardbench]", {"vl-rewardbench": write_vl(tmp_path / "b", 12)}),
            store, 1, MODEL,
        )  # fmt: skip


def test_an_image_outside_the_folder_is_not_read(tmp_path: Path) -> None:
    folder = write_vl(tmp_path / "vl")
    (tmp_path / "secret.png").write_bytes(picture(0))
    rows = [{**vl_row(0), "image_path": "../secret.png"}, vl_row(1)]
    write_lines(folder / "data.jsonl", rows)
    config = configured("[vl-rewardbench]", {"vl-rewardbench": folder})
    store = FolderStore(tmp_path / "store")
    (made,) = parts(store, evaluate(config, store, 1, MODEL))
    assert made.counts["dropped/missing_image"] == 1


def test_a_file_of_gold_pairs_is_a_set_too(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture(1))
    gold = write_lines(tmp_path / "more.jsonl", [
        {"id": f"g{n}", "images": ["a.png"], "question": "What?", "kind": "caption",
         "category": "x", "chosen": f"a red bus {n}", "rejected": f"a red car {n}"}
        for n in range(4)
    ])  # fmt: skip
    store = FolderStore(tmp_path / "store")
    made = evaluate(configured(f"[{gold}]", {}), store, 1, MODEL)
    assert "benchmark/more/both_orders" in made.result.metrics()
    assert evaluate(configured("[]", {}), store, 1, MODEL).key != made.key


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["evaluation.benchmarks=[vl-rewardbench]"], r"data\.vl-rewardbench"),
        (["evaluation.benchmarks=[a.jsonl, a.jsonl]"], "twice"),
    ],
)
def test_a_set_without_a_place_or_named_twice_is_refused(changes: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_config(REPOSITORY / "pipelines/configs/micro.yaml", changes)


def test_an_unknown_benchmark_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    config = configured("[vlm-bench]", {"vlm-bench": tmp_path})
    with pytest.raises(ConfigError, match="mm-rewardbench"):
        evaluate(config, FolderStore(tmp_path / "store"), 1, MODEL)


def item(question: str) -> Item:
    return Item(
        key="00000-x", row=0, id="x", group="general", question=question,
        responses=("A bus. {question}", "A car."), better=0,
    )  # fmt: skip


def asked(question: str, shown: tuple[str, str]) -> str:
    import msgspec

    benchmark: Any = msgspec.structs.replace(VL_REWARDBENCH, prompt=PROMPT)
    pair = item_pair(item(question), "aa")
    request = judge_request(
        ProtocolPrompts(benchmark, TEMPLATE), "r", pair.question, shown,
        benchmark.sampling, 1, 0,
    )  # fmt: skip
    assert request.images_last  # as the official scripts show them; the loop's own prompts do not
    return request.text


def test_a_prompt_is_read_from_the_benchmarks_own_script_without_running_it(tmp_path: Path) -> None:
    assert PROMPT.read(tmp_path) is None
    (tmp_path / "ask.py").write_text(SCRIPT + "raise SystemExit\n")
    assert PROMPT.read(tmp_path) == TEMPLATE
    for changed in (SCRIPT.replace("Asked", "Ask"), "def", "x = 1"):
        (tmp_path / "ask.py").write_text(changed)
        with pytest.raises(DataError, match=r"ask\.py"):
            PROMPT.read(tmp_path)


def test_the_prompts_bytes_are_the_templates_with_both_responses_in_the_order_shown() -> None:
    text = asked("What is {this}?", ("A car.", "A bus. {question}"))
    assert text == " Asked: What is {this}?\n\nOne: A car.\n\nTwo: A bus. {question}"


def test_the_image_tag_is_deleted_from_the_whole_prompt_and_not_from_the_query() -> None:
    assert asked("<image>\nWhat?", ("a", "b")).startswith(" Asked: What?\n")
    # the line break after a tag at the query's end is the template's
    assert asked("What?\n<image>", ("a", "b")) == " Asked: What?\n\nOne: a\n\nTwo: b"
    assert "<image>" not in asked("What?", ("a <image>\nb", "c"))


def test_deleting_the_tag_from_the_query_alone_would_fail_on_19_real_rows() -> None:
    items = load(shared("benchmarks/vl_rewardbench")).items
    kept = 0
    for one in items:
        whole = asked(one.question, one.responses)
        alone = TEMPLATE.format(
            question=one.question.replace("<image>\n", ""),
            first=one.responses[0], second=one.responses[1],
        )  # fmt: skip
        kept += whole != alone
    assert kept == 19
