"""Each message of docs/troubleshooting.md is what a program says today."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from judgeloop.cli.main import main
from judgeloop.ops.doctor import machine
from judgeloop.runtime.ledger import Entry, Ledger
from judgeloop.schema.config import load_config
from judgeloop.schema.records import Manifest
from judgeloop.store import FolderStore
from tests.conftest import REPOSITORY
from tests.make import make, stand_in_for_uv

MICRO = REPOSITORY / "pipelines/configs/micro.yaml"
MESSAGES = re.findall(r"^### `(.+)`$", (REPOSITORY / "docs/troubleshooting.md").read_text(), re.M)
Producer = Callable[[Path, pytest.MonkeyPatch], Any]


def cli(*arguments: str) -> Producer:
    """A command line; `{folder}` in it is a new folder with a picture and some files."""
    return lambda folder, _: main([each.replace("{folder}", str(folder)) for each in arguments])


def made(*arguments: str) -> Producer:
    def run(folder: Path, _: pytest.MonkeyPatch) -> None:
        given = [each.replace("{folder}", str(folder)) for each in arguments]
        done = make(*given, folder=REPOSITORY)
        print(done.stdout + done.stderr)

    return run


def doctor_with_a_gpu(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "NVIDIA_DRIVER", folder / "a.png")
    monkeypatch.setattr(machine.metadata, "version", lambda _: "2.13.0+cpu")
    main(["doctor", "--config", str(MICRO), "--out", str(folder / "run")])


def taken_loop(folder: Path, _: pytest.MonkeyPatch) -> None:
    taken = Ledger(FolderStore(folder / "store"), "taken")
    taken.begin(load_config(MICRO))
    made = Manifest(stage="decide", stage_version=1, key="k")
    taken.record(Entry(stage="decide", iteration=1, manifest=made))
    main(["run", "--config", str(MICRO), "--set", "loop.iterations=1", "--loop-id", "taken",
          "--out", str(folder)])  # fmt: skip


def begun_loop(*arguments: str) -> Producer:
    def run(folder: Path, _: pytest.MonkeyPatch) -> None:
        Ledger(FolderStore(folder / "store"), "begun").begin(load_config(MICRO))
        main([each.replace("{folder}", str(folder)) for each in arguments])

    return run


def setup_without_torch_for_cpus(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = stand_in_for_uv(folder, refused="torch-cpu.lock")
    made("setup", f"UV={uv}", "VENV={folder}/venv")(folder, monkeypatch)


def run(*arguments: str) -> Producer:
    return cli("run", "--config", str(MICRO), *arguments)


ASKED = ("--image", "{folder}/a.png", "--question", "q", "--a", "x", "--b", "y")
PRODUCERS: dict[str, Producer] = {
    "the locks are for CPython 3.11, 3.12 and 3.13": made(
        "setup", "BASE_PYTHON=", "UV=", "VENV={folder}/venv"
    ),
    "torch comes from PyPI with CUDA": setup_without_torch_for_cpus,
    "GPU=1 needs the NVIDIA driver": made(
        "setup", "GPU=1", "VENV={folder}/venv", "NVIDIA_DRIVER={folder}/none"
    ),
    "is the build for CPUs: run": doctor_with_a_gpu,
    "did you mean": run("--set", "loop.iteration=2", "--out", "{folder}/o"),
    "goes with": run("--set", "engine.kind=transformers", "--out", "{folder}/o"),
    "another loop id": taken_loop,
    "cannot be the run's folder": run("--out", "{folder}/a.png"),
    "no such file; give the path or s3:// URI of a JSONL file": cli(
        "check-data", "{folder}/none.jsonl"
    ),
    "it is a JSON array": cli("check-data", "{folder}/array.jsonl"),
    "no usable row": cli("check-data", "{folder}/bad.jsonl"),
    "there is no image": cli("check-data", "{folder}/elsewhere.jsonl"),
    "examples, min_examples is": cli("check-data", "{folder}/few.jsonl"),
    "decide nothing": cli("check-data", "{folder}/gold.jsonl"),
    "name the judge, or give --run DIR": cli("verdict", *ASKED),
    "MLFLOW_TRACKING_URI is not set": cli("verdict", "--model", "models:/judge@champion", *ASKED),
    "is a base without an adapter": cli(
        "verdict", "--model", "scripted:skill=1", "--prompts", "tiny", "--beside-base", *ASKED
    ),
    "did not list its models": cli(
        "verdict", "--model", "builtin:tiny-vlm", "--endpoint", "http://127.0.0.1:9/v1",
        "--served-model", "base", *ASKED,
    ),
    "others could ask the judge there": cli(
        "serve", "--judge", "builtin:tiny-vlm", "--host", "0.0.0.0"
    ),
    "there is no such folder; give a run's folder": cli("status", "{folder}/none"),
    "it is not a run's folder": begun_loop("mlflow", "{folder}"),
    "there is no report yet": begun_loop("report", "{folder}"),
    "is not an empty folder; nothing is overwritten": cli(
        "export", "--judge", "builtin:tiny-vlm", "--out", "{folder}"
    ),
}  # fmt: skip


def test_the_page_has_twenty_messages_and_each_is_produced() -> None:
    assert len(MESSAGES) >= 20
    assert set(MESSAGES) == PRODUCERS.keys()


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_of_the_page_is_said(
    message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    row = {"id": "1", "images": ["a.png"], "text": "what?"}
    gold = {"id": "1", "images": ["a.png"], "question": "what?", "kind": "caption",
            "category": "c", "chosen": "x", "rejected": "y"}  # fmt: skip
    files = {"array": f"[{json.dumps(row)}]", "bad": '{"id": 1}', "few": json.dumps(row),
             "gold": json.dumps(gold),
             "elsewhere": json.dumps(row | {"images": ["b.png"]})}  # fmt: skip
    for name, text in files.items():
        (tmp_path / f"{name}.jsonl").write_text(text + "\n")
    PRODUCERS[message](tmp_path, monkeypatch)
    said = capsys.readouterr()
    assert message in " ".join((said.out + said.err).split())
