"""The components: what they say of themselves is true, and their READMEs say it too."""

import importlib
import inspect
import re

import pytest

from components import readme
from components.images import image
from judgeloop.runtime.stage_table import stage_names, stage_spec

STAGES = readme.stages()


def component(stage: str):
    return getattr(importlib.import_module(f"components.{stage}.component"), stage)


@pytest.mark.parametrize("stage", STAGES)
def test_the_readme_is_what_the_signature_and_the_docstring_make(stage: str) -> None:
    found = (readme.FOLDER / stage / "README.md").read_text()
    assert found == readme.readme(stage), "stale: run `make readmes`"


def test_a_changed_docstring_makes_a_readme_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    before = readme.readme("train")
    function = component("train").python_func
    monkeypatch.setattr(
        function,
        "__doc__",
        function.__doc__.replace("Fine-tunes", "Tunes"),
    )
    assert readme.readme("train") != before


def test_a_docstring_without_a_field_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    function = component("train").python_func
    monkeypatch.setattr(function, "__doc__", function.__doc__.replace("Resumed:", "Again:"))
    with pytest.raises(ValueError, match="components/train: the docstring lacks Resumed"):
        readme.readme("train")


@pytest.mark.parametrize("stage", STAGES)
def test_a_readme_says_stage_image_gpu_and_resumption(stage: str) -> None:
    text = readme.readme(stage)
    for label in ("Stage", "Image", "GPU", "Configuration", "Content key", "Resumed"):
        assert text.count(f"- **{label}**: ") == 1


@pytest.mark.parametrize("stage", STAGES)
def test_readme_and_component_have_the_image_and_the_gpu_of_the_table(stage: str) -> None:
    spec, text = stage_spec(stage), readme.readme(stage)
    implementation = component(stage).component_spec.implementation
    assert implementation.container.image == image(spec.image)
    assert f"- **Image**: {spec.image} (" in text
    assert f"- **GPU**: {'yes' if spec.gpu else 'no'}" in text


@pytest.mark.parametrize("stage", STAGES)
def test_every_component_calls_the_task_of_its_name(stage: str) -> None:
    source = inspect.getsource(component(stage).python_func)
    calls = re.findall(r"tasks\.(\w+)\(\s*(?:\"(\w+)\")?", source)
    assert [name or function for function, name in calls
            if function not in ("metrics_of", "go_on")] == [stage]  # fmt: skip


def test_every_component_has_a_row_in_the_table_of_stages_and_every_row_a_component() -> None:
    assert sorted(stage_names()) == STAGES
