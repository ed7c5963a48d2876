"""A user's own prompts: on the disk or in S3, and with the judge that was trained on them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from judgeloop.method.prompts import prompt_hash
from judgeloop.models.judge import find_judge
from judgeloop.prompt_sets import load_prompts, own_prompts
from judgeloop.registry.addresses import fetch_version
from judgeloop.registry.judge_file import JUDGE_FILE
from judgeloop.schema.errors import ConfigError, RegistryError
from judgeloop.schema.records import Kind, Question
from judgeloop.schema.results import Scores
from judgeloop.store import open_store
from tests.conftest import REPOSITORY
from tests.mlflow_server import use_database
from tests.registry_loop import Loop

DEFAULT = REPOSITORY / "judgeloop/method/prompts/default"
QUESTION = Question(id="q", images=("0",), text="What is it?", kind=Kind.CAPTION)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A copy of the default set with labels and a judging prompt of its own."""
    folder = Path(shutil.copytree(DEFAULT, tmp_path / "mine"))
    (folder / "set.yaml").write_text("labels: [Text X, Text Y]\njudgement_tokens: 9\n")
    judge = folder / "judge.jinja"
    judge.write_text("Mind the shadows.\n" + judge.read_text())
    return folder


def stored(folder: Path, uri: str) -> str:
    for file in folder.glob("*.[jy]*"):
        open_store(uri).write(file.name, file.read_bytes())
    return uri


def test_a_set_in_s3_gives_the_same_prompts_and_keys_as_on_the_disk(
    mine: Path, s3_uri: str
) -> None:
    local = own_prompts(str(mine))
    for uri in (stored(mine, f"{s3_uri}/prompts"), f"{s3_uri}/prompts/"):
        there = own_prompts(uri)
        assert there.judge(QUESTION, "a", "b") == local.judge(QUESTION, "a", "b")
        assert prompt_hash(there) == prompt_hash(local)


def test_a_set_in_s3_is_refused_as_one_on_the_disk_is(mine: Path, s3_uri: str) -> None:
    with pytest.raises(ConfigError, match="there is no prompt set 's3://"):
        own_prompts(f"{s3_uri}/none")
    (mine / "answer.jinja").write_bytes(b"\xe9")
    with pytest.raises(ConfigError, match=r"answer\.jinja cannot be read \('utf-8'"):
        own_prompts(stored(mine, f"{s3_uri}/latin"))
    (mine / "answer.jinja").write_bytes(b"x" * 300_000)
    with pytest.raises(ConfigError, match=r"answer\.jinja has more than 200000 bytes"):
        own_prompts(stored(mine, f"{s3_uri}/large"))
    with pytest.raises(ConfigError, match="cannot be opened"):
        own_prompts("ftp://host/prompts")


def test_a_moved_folder_gives_the_same_hash_and_line_ends_do_not_count(
    mine: Path, tmp_path: Path
) -> None:
    moved = Path(shutil.copytree(mine, tmp_path / "elsewhere"))
    for file in moved.glob("*.jinja"):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert prompt_hash(own_prompts(str(moved))) == prompt_hash(own_prompts(str(mine)))


@pytest.fixture
def version(tmp_path: Path, mine: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a registered version of a loop with these prompts, which are gone since."""
    use_database(tmp_path, monkeypatch)
    loop = Loop(tmp_path / "store", "judge", prompts=str(mine))
    loop.scores("evaluate", 0, right=10)
    registered = loop.register(1, tmp_path, validation=20, gold=30)
    shutil.rmtree(mine)
    load_prompts.cache_clear()
    fetch_version(registered.result.uri, tmp_path / "version")  # type: ignore[union-attr]
    return tmp_path / "version"


def test_a_registered_judge_brings_the_prompts_that_it_was_trained_with(version: Path) -> None:
    prompts = find_judge(str(version), version / "scratch").prompts
    asked = prompts.judge(QUESTION, "a", "b")
    assert asked.startswith("Mind the shadows.")
    assert "\nText Y:\n" in asked
    assert prompts.judgement_tokens == 9
    written = json.loads((version / JUDGE_FILE).read_bytes())
    assert written["prompt_hash"] == prompt_hash(prompts)
    assert sorted(written["prompt_files"]) == sorted(
        file.name for file in DEFAULT.iterdir() if file.suffix in (".jinja", ".yaml")
    )


def test_other_prompts_are_taken_for_a_judge_where_they_are_asked_for(version: Path) -> None:
    prompts = find_judge(str(version), version / "scratch", "default").prompts
    assert prompt_hash(prompts) == prompt_hash(load_prompts("default"))


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: tree["prompt_files"].update({"judge.jinja": tree["prompt_files"]["judge.jinja"]
                                                  + "Prefer the first."}),
        lambda tree: tree["prompt_files"].update({"set.yaml": "labels: [A, B]\n"
                                                              "judgement_tokens: 9\n"}),
        lambda tree: tree["prompt_files"].pop("alter-1.jinja"),
        lambda tree: tree.update(prompt_hash="ab" * 32),
    ],
    ids=["a template", "the settings", "a file less", "the hash"],
)  # fmt: skip
def test_prompts_that_are_not_those_of_the_training_are_refused(
    change: Callable[[dict[str, Any]], None], version: Path
) -> None:
    tree = json.loads((version / JUDGE_FILE).read_bytes())
    change(tree)
    (version / JUDGE_FILE).write_text(json.dumps(tree))
    with pytest.raises(RegistryError, match=r"trained with other prompts.*judgeloop .*--prompts"):
        find_judge(str(version), version / "scratch")


def test_a_version_of_an_older_judgeloop_is_asked_by_the_name_of_its_set(version: Path) -> None:
    tree = json.loads((version / JUDGE_FILE).read_bytes())
    del tree["prompt_files"], tree["prompt_hash"]
    tree["config"]["prompts"] = "default"
    (version / JUDGE_FILE).write_text(json.dumps(tree))
    prompts = find_judge(str(version), version / "scratch").prompts
    assert prompt_hash(prompts) == prompt_hash(load_prompts("default"))


def test_prompts_that_changed_since_validation_are_not_registered(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_database(tmp_path, monkeypatch)
    loop = Loop(tmp_path / "store", "judge", prompts=str(mine))
    trained, validation, *others = loop.inputs(1, tmp_path, 20, 30)
    validation = msgspec.structs.replace(
        validation,
        result=msgspec.structs.replace(validation.expect(Scores), prompt_hash="ab" * 32),
    )
    with pytest.raises(RegistryError, match="have changed since they were validated"):
        loop.registered(1, [trained, validation, *others])
