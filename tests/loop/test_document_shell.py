"""The commands of README and docs/, typed one after the other into one shell."""

import os
import re
import shlex
import signal
import socket
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.documents.runs import ROWS, SHELL
from tests.documents.shell import Shown, everything_shown
from tests.documents.tree import clone, own_files, smaller
from tests.make import outside_make

DIGEST = "registry.example/judgeloop@sha256:" + "0" * 64
AFTER_DEMO = (
    "MLFLOW_TRACKING_URI=sqlite:///runs/demo/mlflow/mlflow.db .venv/bin/judgeloop promote "
    "models:/judgeloop-tiny/1 --instead-of none --reason 'so few pairs convince no gate' || "
    "fail $?\nmkdir -p runs/demo/try && cp scene.png pairs.jsonl runs/demo/try && "
    "cp scene.png runs/demo/try/1.png\n"
)
"""What a demo of the usual size leaves: the gate refuses the smaller one's version."""
ADDRESS = "127.0.0.1:8000"
"""Of the served judge in the pages."""
_SCRIPTED = "model.base=scripted:skill=0 engine.kind=scripted training.kind=scripted"
LIMIT_S = 1750
"""For all commands: several times what they take on two cores where nothing else runs."""
SAID = re.compile(r"^### (\d+) s: (.+)$", re.MULTILINE)
"""When a command began, by the shell's clock."""
SECOND_LOOP = ('SET="loop.iterations=2"', f'SET="loop.iterations=2 {_SCRIPTED}"')
"""No command asks for its judge, and the demo has shown a loop with a model."""


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def typed(shown: Shown, port: int) -> str:
    """One command for the shell, with its exit code checked; Python runs as it stands."""
    if shown.python:
        return f"say {shlex.quote(shown.page + ': Python')}\n.venv/bin/python -c " + (
            f"{shlex.quote(shown.text)} || fail $?\n"
        )
    row = ROWS[shown.text]
    command = shown.text.replace(ADDRESS, f"127.0.0.1:{port}").replace("8000", str(port))
    command = command.replace(*SECOND_LOOP)
    lines = f"say {shlex.quote(shown.text)}\n"
    if " serve " in command:  # until the shell ends
        return lines + f"{command} & server=$!\nwait_for {port} || fail 1\n"
    if row.exit_code:
        return lines + f"{command}; [ $? = {row.exit_code} ] || fail $?\n"
    return lines + f"{command} || fail $?\n"


def script(port: int) -> str:
    """All commands of the table that run here, each once, in the order of the pages."""
    before = (
        'say() { echo "### $SECONDS s: $1"; }\n'
        'fail() { echo "### ended with $1"; kill $server 2>/dev/null; exit 1; }\n'
        "wait_for() { for i in $(seq 600); do curl -sf -o /dev/null http://127.0.0.1:$1/health "
        "&& return; sleep 0.2; done; return 1; }\n"
    )
    seen: set[str] = set()
    lines = []
    for shown in everything_shown():
        here = shown.python or (not shown.mention and ROWS[shown.text].test == SHELL)
        if here and not (shown.page == "README.md" and shown.text in seen):
            lines.append(typed(shown, port))
            lines += [AFTER_DEMO] if shown.text == "make demo" and shown.text not in seen else []
            seen.add(shown.text)
    return before + "".join(lines) + "kill $server; wait $server\nsay end\n"


def slowest(said: str) -> str:
    """The ten commands that took longest, for who wants to know where the time goes."""
    begun = [(int(seconds), command) for seconds, command in SAID.findall(said)]
    took = [(end - begin, command) for (begin, command), (end, _) in pairwise(begun)]
    return "\n".join(f"{seconds:5} s  {command}" for seconds, command in sorted(took)[:-11:-1])


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(LIMIT_S + 40)
def test_the_commands_of_the_pages_work_in_order_in_one_shell(tmp_path: Path) -> None:
    folder = clone(tmp_path / "clone")
    own_files(folder)
    environment = outside_make(os.environ) | {
        "JUDGELOOP_IMAGE_CPU": DIGEST, "JUDGELOOP_IMAGE_GPU": DIGEST, "COLUMNS": "200",
    }  # fmt: skip
    environment.pop("MLFLOW_TRACKING_URI", None)
    shell = subprocess.Popen(
        ["bash", "-c", script(free_port())], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        said, _ = shell.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(shell.pid, signal.SIGKILL)
        said, _ = shell.communicate()
    finally:
        if shell.poll() is None:
            os.killpg(shell.pid, signal.SIGKILL)
    print(slowest(said))
    assert shell.returncode == 0, said[-6000:]
    assert re.search(r"### \d+ s: end\s*$", said)
    assert "already finished" in said  # the second `make demo`
    assert "Traceback" not in said


def test_the_smaller_demo_differs_in_numbers_alone() -> None:
    preset = (REPOSITORY / "pipelines/configs/tiny.yaml").read_text()
    before, after = preset.splitlines(), smaller(preset).splitlines()
    keys = [[line.split(":")[0] for line in lines] for lines in (before, after)]
    assert keys[0] == keys[1]
    assert "  count: 160" in after
    assert "  batch_size: 256       # samples decoded together" in after
