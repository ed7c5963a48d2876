"""What may change while a loop goes on under its id: whatever decides no finished work."""

import json
import shlex
from pathlib import Path

import pytest

from judgeloop.cli.main import main
from judgeloop.runtime.decided import changed_paths, loop_hash, stages_decided_by
from judgeloop.runtime.ledger import Entry, Ledger, LoopTakenError
from judgeloop.runtime.reference import Reference
from judgeloop.schema.config import load_config
from judgeloop.schema.records import Manifest
from judgeloop.schema.results import Funnel, Scores, Supply, Verdicts
from judgeloop.store import FolderStore
from pipelines.commands import again
from tests.conftest import REPOSITORY
from tests.stage_keys import leaves
from tests.unit.test_decide import validation
from tests.unit.test_stage_keys import EXPECTED, TOGETHER

MICRO = REPOSITORY / "pipelines/configs/micro.yaml"
NEUTRAL = {
    "store", "engine.batch_size", "engine.shards_in_flight", "engine.vllm.tensor_parallel",
    "engine.vllm.memory_share", "engine.vllm.cpu_cache_mib", "report.gallery",
}  # fmt: skip


SCORES = validation(1, 0.5).expect(Scores)
RESULTS = {
    "judge": Verdicts(a=1, b=1, undecided={}, agreeing=2),
    "filter": Funnel(
        pairs=1, undecided=0, disagreeing=0, one_order=0, kept=1, kept_judgements=2, kinds={},
        first_position=0.5, examples=2,
    ),
    "enough": Supply(action="train", reason="2 examples"),
    "validate": SCORES,
    "evaluate": SCORES,
}  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A loop that was begun, and failed in its first training."""
    ledger = Ledger(FolderStore(tmp_path / "store"), "first")
    ledger.begin(load_config(MICRO))
    for stage in ("resolve", "ingest", "hold_out", "validate", "evaluate", "synthesize", "judge",
                  "filter", "enough"):  # fmt: skip
        made = Manifest(stage=stage, stage_version=1, key="k", result=RESULTS.get(stage))
        ledger.record(Entry(stage=stage, iteration=1, manifest=made))
    ledger.record(Entry(stage="train", iteration=1, error="out of memory", exit_code=7))
    return ledger


@pytest.mark.parametrize("field", sorted(set(EXPECTED) - set(TOGETHER)))
def test_a_setting_that_changes_a_key_is_known_to_decide_its_stage(field: str) -> None:
    assert stages_decided_by(field) >= EXPECTED[field][1]


def test_what_decides_no_result_decides_no_stage() -> None:
    assert set(leaves()) >= NEUTRAL
    for field in NEUTRAL:
        assert stages_decided_by(field) == set()
    assert stages_decided_by("training.micro_batch_size") == {"train"}
    assert stages_decided_by("gate.min_difference") == {"promote"}
    assert stages_decided_by("registry.experiment") == {"register", "record"}


@pytest.mark.parametrize(
    "change",
    ["training.micro_batch_size=8", "training.rank=4", "engine.batch_size=2", "loop.patience=3",
     "gate.min_difference=0.1", "registry.model_name=other", "report.gallery=3"],
)  # fmt: skip
def test_a_loop_goes_on_with_a_setting_that_decides_no_finished_work(
    ledger: Ledger, change: str
) -> None:
    fixed = load_config(MICRO, [change])
    ledger.claim(fixed)
    ledger.begin(fixed)
    ledger.check(fixed)
    assert ledger.failures() == []
    ledger.begin(load_config(MICRO))  # and back, as long as nothing was made of it


def served_at(url: str) -> list[str]:
    endpoint = f"engine.endpoint={{url: '{url}', model: m}}"
    return ["engine.kind=openai", "training.kind=lora", "model.base=builtin:tiny-vlm", endpoint]


@pytest.mark.parametrize(
    ("url", "goes_on"),
    [("http://gpu-1:8001/v1", True), ("https://gpu-1/other/v1", True),
     ("http://gpu-2:8000/v1", False), ("http://gpu-1.example:8000/v1", False)],
)  # fmt: skip
def test_a_loop_goes_on_with_its_server_at_another_port_but_not_on_another_host(
    tmp_path: Path, url: str, goes_on: bool
) -> None:
    store = FolderStore(tmp_path / "store")
    ledger = Ledger(store, "served")
    began = load_config(MICRO, served_at("http://gpu-1:8000/v1"))
    ledger.begin(began)
    made = Manifest(stage="judge", stage_version=1, key="k", result=RESULTS["judge"])
    ledger.record(Entry(stage="judge", iteration=1, manifest=made))
    moved = load_config(MICRO, served_at(url))
    assert (loop_hash(moved, store) == loop_hash(began, store)) == goes_on
    if goes_on:
        ledger.begin(moved)
    else:
        with pytest.raises(LoopTakenError, match=r"engine\.endpoint\.url affects finished work"):
            ledger.begin(moved)


def test_what_was_made_with_the_new_value_cannot_be_mixed_with_the_old_one(ledger: Ledger) -> None:
    fixed = load_config(MICRO, ["training.rank=4"])
    ledger.begin(fixed)
    made = Manifest(stage="train", stage_version=1, key="t")
    ledger.record(Entry(stage="train", iteration=1, manifest=made))
    ledger.begin(fixed)
    with pytest.raises(LoopTakenError, match=r"training\.rank affects finished work of train"):
        ledger.begin(load_config(MICRO))


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        ("judging.samples=3", "judge"),
        ("loop.seed=7", "evaluate, filter, hold_out, ingest, judge, synthesize, validate"),
        ("data.count=5", "ingest"),
        ("evaluation.count=5", "evaluate"),
        ("filtering.min_examples=3", "enough"),
        ("filtering.keep=shuffled", "filter"),
        ("engine.max_prompt_tokens=9", "evaluate, hold_out, judge, synthesize, validate"),
    ],
)
def test_a_setting_that_decides_finished_work_is_refused_with_the_stages_and_a_free_id(
    ledger: Ledger, change: str, stages: str
) -> None:
    changed = load_config(MICRO, [change, "training.rank=4"])
    for begin in (ledger.claim, ledger.begin):
        with pytest.raises(LoopTakenError) as caught:
            begin(changed)
        field = change.partition("=")[0]
        assert f"{field} affects finished work of {stages}. Use" in str(caught.value)
        assert caught.value.free_id == "first-2"
    assert len(ledger.failures()) == 1, "nothing was begun"
    ledger.check(load_config(MICRO))


def test_a_free_id_is_one_that_no_loop_has(ledger: Ledger, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    Ledger(store, "first-2").begin(load_config(MICRO))
    with pytest.raises(LoopTakenError, match="such as first-3"):
        ledger.begin(load_config(MICRO, ["loop.seed=7"]))


def test_changed_settings_are_found_by_their_paths() -> None:
    before = {"a": 1, "b": {"c": [1], "d": None}, "e": {"f": 1}}
    after = {"a": 1, "b": {"c": [2], "d": 0}, "e": None, "g": None}
    assert changed_paths(before, after) == ["b.c", "b.d", "e", "g"]


def test_the_command_line_of_a_refused_run_is_printed_whole(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["run", "--config", str(MICRO), "--set", "loop.seed=7", "--loop-id", "first",
             "--out", str(tmp_path)]  # fmt: skip
    assert main(given) == LoopTakenError.exit_code
    command = shlex.split(capsys.readouterr().err.strip().splitlines()[-1])
    assert Path(command[0]).name in ("judgeloop", "python")
    assert command[command.index("run") :] == [
        *given[:5],
        "--out",
        str(tmp_path),
        "--loop-id",
        "first-2",
    ]
    assert again(["run", "--loop-id=a", "--out", "a b"], "c").endswith("--out 'a b' --loop-id c")


def test_status_prints_the_command_that_starts_the_loop_again(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reference = Reference(str(tmp_path / "store"), "0" * 64)
    arguments = {"config": str(reference), "loop_id": "first"}
    (tmp_path / "arguments.json").write_text(json.dumps(arguments))
    command = again(["run", "--config", "a b.yaml", "--out", str(tmp_path)], "first")
    (tmp_path / "command.txt").write_text(command + "\n")
    assert main(["status", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"fix the cause, then start it again with `{command}`" in said
    assert "may change" in said
