"""What is imported before a judge is known, and how a version is fetched meanwhile."""

import importlib.metadata
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from judgeloop.engines import libraries
from judgeloop.models import judge
from judgeloop.registry import beside
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
    monkeypatch.setattr(beside.subprocess, "Popen", lambda *a, **k: pytest.fail("started"))

    class Found:
        version = "3"

    def found(uri: str, folder: Path) -> Any:
        return Found

    monkeypatch.setattr(beside, "fetch_version", found)
    assert beside.fetch_beside("models:/judge/3", tmp_path, lambda: None) == "3"
