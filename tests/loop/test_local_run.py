"""Runs on this machine: the runner, its failures and interruptions, the display."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kfp import compiler, dsl
from rich.console import Console

from judgeloop.cli.main import main
from judgeloop.runtime.ledger import Entry, Ledger
from judgeloop.runtime.progress import Progress
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.records import Manifest
from judgeloop.store import FolderStore
from pipelines import local
from pipelines.display import Display
from pipelines.failure import Failure, find_failure
from pipelines.run import loop_id_for, read_config
from tests.conftest import REPOSITORY

MICRO = REPOSITORY / "pipelines/configs/micro.yaml"


@dsl.component(base_image="python", install_kfp_package=False)
def work(iteration: int, ending: str, out: str):
    """Shows progress, then ends as it is told to."""
    import os
    import pathlib
    import time

    from judgeloop.runtime.ledger import Entry, Ledger
    from judgeloop.runtime.progress import Progress
    from judgeloop.schema import errors
    from judgeloop.store import FolderStore

    names = ("OMP_NUM_THREADS", "MLFLOW_TRACKING_URI")
    pathlib.Path(out, "env").write_text("\n".join(os.environ.get(n, "") for n in names))
    Progress("001/work", 2, "rows").advance(2)
    if ending == "raise":
        error = "the card is full.\nLower training.micro_batch_size."
        failed = Entry(stage="work", iteration=iteration, error=error, exit_code=7)
        Ledger(FolderStore(pathlib.Path(out, "store")), "loop").record(failed)
        raise errors.TrainingError(error)
    if ending == "log":
        import logging

        from judgeloop.runtime.redaction import hide_secrets

        stage = "%(asctime)s %(levelname)s loop=loop iteration=1 stage=work %(message)s"
        hide_secrets(stage, "INFO")
        logging.getLogger("judgeloop").info("started")
        raise RuntimeError("of nobody's own")
    if ending == "die":
        os.kill(os.getpid(), 9)
    if ending == "sleep":
        pathlib.Path(out, "pid").write_text(str(os.getpid()))
        time.sleep(60)


@dsl.pipeline(name="small")
def small(iteration: int, ending: str, out: str):
    """One task."""
    work(iteration=iteration, ending=ending, out=out)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compiled") / "small.yaml"
    compiler.Compiler().compile(small, str(path))
    return path


def run(package: Path, out: Path, ending: str) -> bool:
    arguments = {"iteration": 1, "ending": ending, "out": str(out)}
    with Display(out / "progress.jsonl", Console(file=io.StringIO())) as display:
        return local.run_compiled(package, arguments, out, display.update)


def test_tasks_get_one_thread_and_a_registry_below_the_run(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert run(package, tmp_path, "well")
    threads, registry = (tmp_path / "env").read_text().split("\n")
    assert threads == "1"
    assert registry == f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    assert '"done":2' in (tmp_path / "progress.jsonl").read_text()


def test_a_registry_of_the_user_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://registry")
    assert local.environment(tmp_path)["MLFLOW_TRACKING_URI"] == "http://registry"


def failure_of(out: Path) -> Failure:
    return find_failure(Ledger(FolderStore(out / "store"), "loop"), out / "kfp.log")


def test_a_failed_task_is_named_with_its_whole_message_and_code(
    package: Path, tmp_path: Path
) -> None:
    assert not run(package, tmp_path, "raise")
    failure = failure_of(tmp_path)
    assert failure.task == "001-work"
    assert failure.error == "the card is full.\nLower training.micro_batch_size."
    assert failure.exit_code == 7


def test_of_a_task_that_was_killed_the_end_of_the_log_is_shown(
    package: Path, tmp_path: Path
) -> None:
    assert not run(package, tmp_path, "die")
    failure = failure_of(tmp_path)
    assert failure.exit_code == 1
    assert "killed, or out of memory?" in failure.error
    assert "Traceback" not in failure.error
    assert failure.error.endswith("Inner task failed: 'work'.")


def test_what_kubeflow_prints_has_a_file_of_its_own_and_the_log_has_levels_and_stages(
    package: Path, tmp_path: Path
) -> None:
    assert not run(package, tmp_path, "log")
    log = (tmp_path / "run.log").read_text()
    printed = (tmp_path / "kfp.log").read_text()
    assert " INFO loop=loop iteration=1 stage=work started\n" in log
    assert " CRITICAL loop=loop iteration=1 stage=work ended by an error\n" in log
    assert "Traceback (most recent call last)" in log
    for words in ("KFP Executor", "Executing task", "executor_input", "Wrote executor output"):
        assert words not in log
    for words in ("KFP Executor", "Executing task", "stage=work started"):
        assert words in printed


def wait_for(path: Path) -> str:
    for _ in range(300):
        if path.exists() and path.read_text():
            return path.read_text()
        time.sleep(0.1)
    raise AssertionError(f"{path} did not appear")


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def child_of(pid: int) -> int:
    """The runner: the one child of the process that watches."""
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("hit", ["run", "runner"])
def test_an_interrupted_run_leaves_no_task_behind(
    hit: str, number: signal.Signals, package: Path, tmp_path: Path
) -> None:
    arguments = {"iteration": 1, "ending": "sleep", "out": str(tmp_path)}
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    code = (
        "import json, sys; from pathlib import Path; from pipelines.local import run_compiled\n"
        "run_compiled(Path(sys.argv[1]), json.loads(sys.argv[2]), Path(sys.argv[3]), lambda: None)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(package), json.dumps(arguments), str(tmp_path)],
        cwd=REPOSITORY, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )  # fmt: skip
    task = int(wait_for(tmp_path / "pid"))
    assert is_alive(task)
    os.kill(parent.pid if hit == "run" else child_of(parent.pid), number)
    _, said = parent.communicate(timeout=30)
    if hit == "run" and number is not signal.SIGKILL:
        assert "KeyboardInterrupt" in said
    for _ in range(50):
        if not is_alive(task):
            if number is not signal.SIGKILL or hit == "runner":
                assert list(temporary.iterdir()) == []
            return
        time.sleep(0.1)
    os.kill(task, signal.SIGKILL)
    pytest.fail("the task outlived the run")


def test_the_loop_id_is_that_of_the_content_wherever_it_lies() -> None:
    one = load_config(MICRO, ["store=/a"])
    other = load_config(MICRO, ["store=s3://b/c", "report.gallery=1"])
    changed = load_config(MICRO, ["loop.seed=1"])
    assert loop_id_for(one, "micro") == loop_id_for(other, "micro")
    assert loop_id_for(one, "micro") != loop_id_for(changed, "micro")
    assert loop_id_for(one, "my config").startswith("my-config-")


@pytest.mark.parametrize(
    ("given", "store"),
    [
        ("''", "{out}/store"),
        ("below", "{out}/below"),
        ("/absolute", "/absolute"),
        ("s3://bucket/prefix", "s3://bucket/prefix"),
    ],
)
def test_a_relative_store_lies_below_the_run(given: str, store: str, tmp_path: Path) -> None:
    config = read_config(MICRO, [f"store={given}"], tmp_path)
    assert config.store == store.format(out=tmp_path)


def steps(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGELOOP_PROGRESS", str(path))
    judging = Progress("001/judge/p000", 400, "pairs")
    for _ in range(3):
        judging.advance(100, note="[red]0.5[/red]")


def test_plain_lines_are_few_and_the_last_one_is_always_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.StringIO()
    path = tmp_path / "progress.jsonl"
    with Display(path, Console(file=shown)) as display:
        display.update()
        steps(path, monkeypatch)
        display.update()
        with path.open("a") as file:
            for done in (350, 400):
                step = {"task": "001/judge/p000", "done": done, "total": 400, "unit": "pairs"}
                file.write(json.dumps(step) + "\n")
                file.flush()
                display.update()
    lines = shown.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["300/400", "400/400"]
    assert "[red]0.5[/red]" in lines[0]


def test_a_live_line_tells_the_speed_what_is_kept_and_how_long_task_and_loop_may_take(
    tmp_path: Path,
) -> None:
    shown, path = io.StringIO(), tmp_path / "progress.jsonl"
    with Display(path, Console(file=shown, width=200), iterations=4) as display:
        for task, done, at, tokens in (
            ("001/synthesize/p000", 0, 0, 0), ("002/synthesize/p000", 0, 600, 0),
            ("002/judge/p000", 0, 800, 0), ("002/judge/p000", 100, 840, 8000),
        ):  # fmt: skip
            pulse = {"tokens": tokens, "requests": 32, "kept": 60, "tried": 80}
            step = {"task": task, "done": done, "total": 400, "unit": "pairs", "at": 1000 + at}
            with path.open("a") as file:
                file.write(json.dumps(step | {"pulse": pulse}) + "\n")
        display.update()
    line = shown.getvalue().splitlines()[-1]
    assert line.startswith("002/judge/p000         100/400 pairs")
    assert "kept 0.75" in shown.getvalue()  # of the questions; which judgements, filtering decides
    assert "2 min left, right 0.75, 200 tokens/s, 32 in flight, loop at most 26 min" in line


def test_a_terminal_shows_bars_and_keeps_a_line_of_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.StringIO()
    path = tmp_path / "progress.jsonl"
    with Display(path, Console(file=shown, force_terminal=True, width=120)) as display:
        steps(path, monkeypatch)
        display.update()
        step = {"task": "001/judge/p000", "done": 400, "total": 400, "unit": "pairs"}
        with path.open("a") as file:
            file.write(json.dumps(step) + "\n")
        display.update()
    assert "400/400 pairs" in shown.getvalue()


def test_a_wrong_key_ends_the_command_line_with_its_code_and_a_hint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = ["run", "--config", str(MICRO), "--set", "loop.iteration=2", "--out", str(tmp_path)]
    assert main(wrong) == ConfigError.exit_code
    assert "did you mean `loop.iterations`?" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_out_that_is_a_file_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "file"
    out.write_text("")
    code = main(["run", "--config", str(MICRO), "--set", f"store={tmp_path}", "--out", str(out)])
    assert code == ConfigError.exit_code
    assert f"--out {out}" in capsys.readouterr().err


def test_a_run_under_the_loop_id_of_another_shows_nothing_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = FolderStore(tmp_path / "store")
    taken = Ledger(store, "taken")
    taken.begin(load_config(MICRO))
    decided = Manifest(stage="decide", stage_version=1, key="k")
    taken.record(Entry(stage="decide", iteration=1, manifest=decided))
    store.write("loops/taken/report/table.txt", b"the other's table")
    changes = ["--set", "loop.iterations=1", "--loop-id", "taken"]
    code = main(["run", "--config", str(MICRO), *changes, "--out", str(tmp_path)])
    assert code == ConfigError.exit_code
    said = capsys.readouterr()
    assert "another loop id" in said.err
    assert "table" not in said.out
    assert not (tmp_path / "table.txt").exists()
