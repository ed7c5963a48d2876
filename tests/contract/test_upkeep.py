"""`judgeloop status` and `judgeloop clean` on stores in a folder and in S3."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from judgeloop.cli.main import main
from judgeloop.ops.workers import find_workers
from judgeloop.registry.client import connect
from judgeloop.runtime.lease import FOLDER, PACE, this_process
from judgeloop.runtime.ledger import Entry, Ledger
from judgeloop.schema.config import Config
from judgeloop.schema.errors import DataError, TrainingError
from judgeloop.schema.records import Pair, Question, to_json
from judgeloop.store import FolderStore, Store, open_store
from judgeloop.store.images import ImageLibrary
from judgeloop.store.shards import read_records
from tests.conftest import REPOSITORY
from tests.mlflow_server import use_database
from tests.task_loop import MODEL_NAME, TaskLoop, task_loop

pytestmark = pytest.mark.timeout(400)
"""The three loops of the fixture took two minutes on a machine that was busy."""
OWN_FILE = "notes/questions.jsonl"
TORN = "judge/0123456789abcdef01234567/00000.jsonl"


class Loops(NamedTuple):
    """Two finished loops with a registered version each, and one that was killed."""

    folder: Path
    one: TaskLoop
    two: TaskLoop
    half: TaskLoop


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loops]:
    folder = tmp_path_factory.mktemp("loops")
    with pytest.MonkeyPatch.context() as patch:
        use_database(folder / "mlflow", patch)
        one, two, half = (
            task_loop(folder, name, f"loop.seed={seed}")
            for seed, name in enumerate(("one", "two", "half"))
        )
        yield Loops(folder, one.run(), two.run(), half.run(until="judge"))


class Copy(NamedTuple):
    """A test's own copy of the three loops and their registry."""

    name: str
    """DIR-or-URI."""
    store: Store
    config: Config

    def resumed(self, loop_id: str, folder: Path) -> TaskLoop:
        """The loop `loop_id`, to be run again here."""
        seed = ("one", "two", "half").index(loop_id)
        return task_loop(folder, loop_id, f"loop.seed={seed}", store=self.store.uri)

    def content(self) -> dict[str, bytes]:
        """Everything by key, but ledgers, which hold times, and leases."""
        keys = (key for key in self.store.list("") if not key.startswith(("loops/", "leases/")))
        return {key: self.store.read(key) for key in keys}


@pytest.fixture(params=["folder", "s3"])
def copy(
    request: pytest.FixtureRequest, made: Loops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Copy:
    run = tmp_path / "run"
    shutil.copytree(made.folder / "mlflow", run / "mlflow")
    if request.param == "folder":
        monkeypatch.delenv("MLFLOW_TRACKING_URI")  # the run's own database is found
        shutil.copytree(made.folder / "store", run / "store")
        return Copy(str(run), open_store(str(run / "store")), made.one.config)
    name: str = request.getfixturevalue("s3_uri")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{run}/mlflow/mlflow.db")
    store = open_store(name)
    for key in made.one.store.list(""):
        store.write(key, made.one.store.read(key))
    return Copy(name, store, made.one.config)


def judgeloop(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main(arguments) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def status(capsys: pytest.CaptureFixture[str], place: str, loop_id: str) -> dict[str, Any]:
    text = judgeloop(capsys, "status", place, "--loop", loop_id, "--json")
    found: dict[str, Any] = json.loads(text)["loops"][0]
    return found


def test_a_finished_loop_says_what_it_cost_and_where_its_report_is(
    copy: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    found = status(capsys, copy.name, "one")
    assert (found["state"], found["missing"], found["failures"]) == ("finished", [], [])
    assert found["report"] == f"{copy.store.uri}/loops/one/report/report.html"
    assert found["iterations"] == found["bound"] == 1
    costs = {cost["stage"]: cost for cost in found["costs"]}
    entries = Ledger(copy.store, "one").entries()
    assert {stage: cost["tasks"] for stage, cost in costs.items()} == {
        stage: sum(entry.stage == stage for entry in entries)
        for stage in {entry.stage for entry in entries}
    }
    assert found["seconds"] == pytest.approx(sum(cost["seconds"] for cost in found["costs"]))
    assert found["tokens"]["completion"] > costs["judge"]["rows"]
    text = judgeloop(capsys, "status", copy.name, "--loop", "one")
    assert "look at" in text
    assert "loops/one/report/report.html" in text


def test_several_loops_are_a_line_each(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    lines = judgeloop(capsys, "status", copy.name).splitlines()
    assert [line.split()[:2] for line in lines[2:-1]] == [
        ["half", "stopped"],
        ["one", "finished"],
        ["two", "finished"],
    ]


def test_a_killed_loop_names_what_is_missing_and_goes_on(
    copy: Copy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = status(capsys, copy.name, "half")
    assert found["state"] == "stopped"
    assert found["missing"] == [
        "001-judge-p000",
        *("001-filter", "001-enough", "001-train", "001-validate", "001-evaluate"),
        *("001-register", "001-decide", "end-promote"),
    ]
    text = judgeloop(capsys, "status", copy.name, "--loop", "half")
    assert "start it again as before, with LOOP_ID=half" in text


def test_a_failed_loop_shows_the_error(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    error = TrainingError("the card is full")
    entry = Entry(stage="train", iteration=1, error=str(error), exit_code=error.exit_code)
    Ledger(copy.store, "half").record(entry)
    found = status(capsys, copy.name, "half")
    assert found["state"] == "failed"
    assert found["failures"] == [{"task": "001-train", "error": "the card is full", "exit_code": 7}]
    text = judgeloop(capsys, "status", copy.name, "--loop", "half")
    assert "fix the cause, then start it again" in text


def test_a_loop_that_runs_is_told_from_one_whose_process_was_killed(
    made: Loops, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    shutil.copytree(made.folder / "store", store)
    code = (
        "import sys, time; from judgeloop.runtime.ledger import Ledger\n"
        "from judgeloop.store import *\n"
        "with Ledger(open_store(sys.argv[1]), 'half').held(): print('held', flush=True); "
        "time.sleep(100)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(store)], stdout=subprocess.PIPE, cwd=REPOSITORY
    )
    try:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        found = status(capsys, str(store), "half")
        assert found["state"] == "running"
        assert f"process {holder.pid} on" in found["workers"][0]
        assert status(capsys, str(store), "one")["state"] == "finished"
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    assert status(capsys, str(store), "half")["state"] == "stopped"


@pytest.mark.parametrize("beats", [True, False])
def test_another_machines_worker_is_alive_while_its_heart_beats(
    tmp_path: Path, beats: bool
) -> None:
    store = open_store(str(tmp_path))
    holder = msgspec.structs.replace(this_process(), machine="another")
    key = f"{FOLDER}/judge-abc/00001.json"
    store.write(key, to_json(holder))
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if beats and sum(slept) > PACE.heartbeat_s:
            store.write(key, to_json(msgspec.structs.replace(holder, beats=1)))

    found = find_workers(store, sleep=sleep)
    assert [worker.folder for worker in found] == (["judge/abc"] if beats else [])
    assert sum(slept) == pytest.approx(PACE.heartbeat_s + 1 if beats else PACE.expiry_s)


def test_nothing_there_is_said_and_what_does_not_exist_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no loop was started" in judgeloop(capsys, "status", str(tmp_path))
    assert main(["status", str(tmp_path / "none")]) == 2
    assert "there is no such folder" in capsys.readouterr().err
    assert main(["status", str(tmp_path), "--loop", "x"]) == 2
    assert "holds no such loop" in capsys.readouterr().err


def delete_version(copy: Copy, loop_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deletes a loop's version in the copy's registry, with all that points to it."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{copy.name}/mlflow/mlflow.db")
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        (made,) = Ledger(copy.store, loop_id).manifests("register")[1]
        connect().delete_model_version(MODEL_NAME, made.result.version)


def images_of_kept_data(copy: Copy, loop_id: str) -> list[str]:
    ledger = Ledger(copy.store, loop_id)
    (questions,) = ledger.manifests("ingest")[0]
    pairs = ledger.manifests("hold_out")[0]
    found = [name for row in read_records(copy.store, questions, Question) for name in row.images]
    for made in pairs:
        rows = read_records(copy.store, made, Pair)
        found += [name for row in rows for name in row.question.images]
    return found


@pytest.mark.parametrize(
    "settings", [b"{}", b"[]", b"", b'{"loop": {"iterations": "many", "partitions": null}}']
)
def test_a_damaged_configuration_of_a_loop_is_an_error_that_names_it(
    settings: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    FolderStore(tmp_path).write("loops/half/loop.json", settings)
    assert main(["status", str(tmp_path)]) == DataError.exit_code
    assert "loops/half/loop.json" in capsys.readouterr().err


def test_clean_removes_what_only_a_deleted_version_needed_and_shows_it_first(
    copy: Copy, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    copy.store.write(OWN_FILE, b"not ours")
    copy.store.write(TORN, b"{}\n")
    before = copy.content()
    keep = {f"{m.stage}/{m.key}" for name in ("one",) for m in Ledger(copy.store, name).done()}
    delete_version(copy, "two", monkeypatch)
    clean = ("clean", copy.name, "--forget", "two", "--forget", "half")
    shown = judgeloop(capsys, *clean)
    assert "nothing was removed: add --yes" in shown
    assert copy.content() == before
    plan = json.loads(judgeloop(capsys, *clean, "--json", "--yes"))
    after = copy.content()
    assert set(before) - set(after) == {k for k in plan["removed"] if not k.startswith("loops/")}
    assert all(after[key] == before[key] for key in after)
    assert {key for key in before if key.rsplit("/", 1)[0] in keep} <= set(after)
    assert OWN_FILE in after
    assert TORN not in after
    assert copy.store.list("loops/two") == copy.store.list("loops/half") == []
    gone = {"/".join(key.split("/")[:2]) for key in plan["removed"]}
    assert {f"{m.stage}/{m.key}" for m in Ledger(copy.store, "one").done()} & gone == set()
    library = ImageLibrary(copy.store, 10**6)
    assert all(library.read(name) for name in images_of_kept_data(copy, "one"))
    assert any(key.startswith("images/") for key in plan["removed"])


@pytest.mark.slow
def test_after_clean_the_champion_still_judges_and_its_loop_goes_through_again(
    copy: Copy, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = copy.content()
    delete_version(copy, "two", monkeypatch)
    judgeloop(capsys, "clean", copy.name, "--yes", "--forget", "two", "--forget", "half")
    picture = tmp_path / "picture.png"
    picture.write_bytes(ImageLibrary(copy.store, 10**6).read(images_of_kept_data(copy, "one")[0]))
    if "MLFLOW_TRACKING_URI" not in os.environ:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{copy.name}/mlflow/mlflow.db")
    arguments = ["--model", f"models:/{MODEL_NAME}/1", "--image", str(picture)]
    arguments += ["--question", "caption", "--a", "red circle left", "--b", "blue circle left"]
    assert "verdict:" in judgeloop(capsys, "verdict", *arguments)
    kept = copy.content()
    for loop_id in ("one", "two"):
        copy.resumed(loop_id, tmp_path / "again").run()
    again = copy.content()
    assert all(again[key] == data for key, data in kept.items())
    assert {key for key in before if not key.startswith(("register/", "promote/"))} >= {
        key for key in again if not key.startswith(("register/", "promote/"))
    }
    assert status(capsys, copy.name, "two")["state"] == "finished"


def test_an_unfinished_loop_keeps_its_work_and_what_no_ledger_names(
    copy: Copy, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    copy.store.write(TORN, b"{}\n")
    half = {f"{made.stage}/{made.key}" for made in Ledger(copy.store, "half").done()}
    delete_version(copy, "two", monkeypatch)
    plan = json.loads(judgeloop(capsys, "clean", copy.name, "--yes", "--forget", "two", "--json"))
    assert plan["unfinished"] == ["half"]
    assert plan["removed"]
    assert not {"/".join(key.split("/")[:2]) for key in plan["removed"]} & half
    assert not any(key.startswith("images/") for key in plan["removed"])
    assert copy.store.exists(TORN)


def test_clean_refuses_another_registry_and_to_forget_what_may_be_running(
    copy: Copy, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger(copy.store, "half").held():
        assert main(["clean", copy.name, "--yes", "--forget", "half"]) == 2
        assert "is working on loop-half" in capsys.readouterr().err
        plan = json.loads(judgeloop(capsys, "clean", copy.name, "--yes", "--json"))
        assert (plan["removed"], plan["unfinished"]) == ([], ["half", "one", "two"])
    delete_version(copy, "two", monkeypatch)
    assert main(["clean", copy.name, "--yes"]) == 8
    assert "add --forget two" in capsys.readouterr().err
    assert main(["clean", copy.name, "--forget", "three"]) == 2


def test_clean_without_a_registry_removes_nothing(
    made: Loops, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(made.folder / "store", tmp_path / "store")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert main(["clean", str(tmp_path / "store"), "--yes"]) == 8
    assert "MLFLOW_TRACKING_URI is not set" in capsys.readouterr().err
