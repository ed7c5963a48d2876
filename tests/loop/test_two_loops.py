"""Two loops with one output folder: the second is told, and the first is not touched."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from judgeloop.runtime.progress import Step, read_steps
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.records import to_json
from pipelines.folder import LOCK, locked_folder
from tests.conftest import REPOSITORY

HOLD = """
import sys, time
from pathlib import Path
from pipelines.folder import locked_folder
with locked_folder(Path(sys.argv[1]), "first"):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_loop_is_told_who_works_in_its_folder_and_changes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    process = holder(out)
    try:
        before = {path.name: path.read_bytes() for path in out.iterdir()}
        done = subprocess.run(
            [sys.executable, "-m", "pipelines", "run", "--config",
             "pipelines/configs/micro.yaml", "--out", str(out), "--loop-id", "second",
             "--set", f"store={tmp_path / 'store'}"],
            cwd=REPOSITORY, env=os.environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == ConfigError.exit_code, done.stderr
        said = " ".join(done.stderr.split())
        assert f"loop first, process {process.pid} is at work there" in said
        assert "OUT=" in said
        assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    finally:
        process.kill()
        process.communicate()


def test_a_killed_run_leaves_no_lock(tmp_path: Path) -> None:
    process = holder(tmp_path)
    process.kill()
    process.communicate()
    began = time.monotonic()
    with locked_folder(tmp_path, "second"):
        assert time.monotonic() - began < 5
        assert (tmp_path / LOCK).read_text().startswith("loop second, process ")


def test_one_loop_after_another_may_use_a_folder(tmp_path: Path) -> None:
    for loop_id in ("first", "second"):
        with (
            locked_folder(tmp_path, loop_id),
            pytest.raises(ConfigError, match=f"loop {loop_id}, process {os.getpid()} is at work"),
            locked_folder(tmp_path, "third"),
        ):
            pass


@pytest.mark.parametrize("torn", [b'{"task":"000/ing', b"\xff\xfe", b"[]", b'{"task": 1}', b""])
def test_a_torn_line_of_progress_is_passed_over(torn: bytes, tmp_path: Path) -> None:
    steps = [Step(task="t", done=done, total=2, unit="rows") for done in range(3)]
    first, *later = (to_json(step) for step in steps)
    path = tmp_path / "progress.jsonl"
    path.write_bytes(b"\n".join([first, torn, *later]) + b"\n" + torn)
    found, offset = read_steps(path, 0)
    assert found == steps
    assert offset == path.stat().st_size - len(torn)
