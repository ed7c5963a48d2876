"""What is imported before a judge is known, and how a version is fetched meanwhile."""

import gc
import importlib.metadata
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from judgeloop.cli.main import main
from judgeloop.engines import libraries
from judgeloop.models import judge
from judgeloop.registry import concurrent_fetch
from judgeloop.runtime.garbage_collector import keep_imported
from judgeloop.schema.errors import RegistryError


@pytest.mark.parametrize("package", ["torch", "numpy", "PIL"])
def test_a_package_is_looked_up_as_the_whole_list_of_installed_ones_has_it(package: str) -> None:
    with libraries._quick_versions():
        quick = importlib.metadata.packages_distributions().get(package)
    assert quick == list(dict.fromkeys(importlib.metadata.packages_distributions()[package]))
    with libraries._quick_versions():
        assert importlib.metadata.packages_distributions().get("no_such_package", []) == []


def test_what_is_hidden_in_a_block_is_there_again_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with libraries._hidden(("colorsys",)):
        assert importlib.util.find_spec("colorsys") is None
    assert importlib.util.find_spec("colorsys") is not None


def test_what_is_imported_already_is_not_hidden() -> None:
    with libraries._hidden(("json",)):
        assert importlib.util.find_spec("json") is not None
    assert "json" in sys.modules


@pytest.mark.parametrize("kind", ["scripted", "openai", "vllm"])
def test_engines_without_transformers_import_nothing_beforehand(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libraries, "import_transformers", lambda: pytest.fail("imported"))
    libraries.warm_up(kind)


def test_a_version_that_cannot_be_fetched_is_told_as_without_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delitem(sys.modules, "mlflow", raising=False)
    done: list[str] = []
    with pytest.raises(RegistryError, match="MLFLOW_TRACKING_URI is not set"):
        judge.find_judge("models:/judge@champion", tmp_path, meanwhile=lambda: done.append("x"))
    assert done == ["x"]


def test_where_mlflow_is_imported_no_other_process_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", sys)
    monkeypatch.setattr(
        concurrent_fetch.subprocess, "Popen", lambda *a, **k: pytest.fail("started")
    )

    class Found:
        version = "3"

    def found(uri: str, folder: Path) -> Any:
        return Found

    monkeypatch.setattr(concurrent_fetch, "fetch_version", found)
    assert concurrent_fetch.fetch_concurrently("models:/judge/3", tmp_path, lambda: None) == "3"


SEEN = """
import sys
from judgeloop.cli.main import main
code = main(sys.argv[1:])
print(code, *sorted({"pandas", "scipy", "torch", "mlflow"} & {name for name in sys.modules}))
"""


def test_a_batch_imports_no_library_for_what_python_computes_as_well(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "red.png")
    row = {"id": "1", "images": ["red.png"], "question": "colour?", "a": "red", "b": "blue"}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(row | {"label": "a"}) + "\n")
    asked = ["judge", str(tmp_path / "pairs.jsonl"), "--judge", "scripted:skill=1"]
    command = [sys.executable, "-c", SEEN, *asked, "--out", str(tmp_path / "out.jsonl")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "agreement_interval" in ended.stdout, ended.stderr
    assert ended.stdout.splitlines()[-1] == "0"


@pytest.fixture
def usual_collections() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("usual_collections")
def test_a_command_collects_garbage_rarely_and_never_looks_through_the_libraries() -> None:
    gc.unfreeze()
    keep_imported()
    assert gc.get_freeze_count() == 0  # in a program of others
    assert main(["config", "show", "tiny"]) == 0
    assert gc.get_threshold()[0] > 10_000
    keep_imported()
    kept = gc.get_freeze_count()
    assert kept > 10_000
    later = [[] for _ in range(1000)]
    keep_imported()
    assert gc.get_freeze_count() <= kept  # they are no imported library
    del later
