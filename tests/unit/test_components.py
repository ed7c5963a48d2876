"""The components: what they say of themselves is true, and their READMEs say it too."""

import importlib
import inspect
from pathlib import Path

import pytest

from components import readme
from pipelines.profile import INFERENCE, TRAINING

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
    monkeypatch.setattr(function, "__doc__", function.__doc__.replace("Image: gpu", "Image: cpu"))
    assert readme.readme("train") != before


def test_a_docstring_without_a_field_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    function = component("train").python_func
    monkeypatch.setattr(function, "__doc__", function.__doc__.replace("Resumed:", "Again:"))
    with pytest.raises(ValueError, match="components/train: the docstring lacks Resumed"):
        readme.readme("train")


@pytest.mark.parametrize("stage", STAGES)
def test_a_readme_says_stage_image_gpu_and_resumption(stage: str) -> None:
    text = readme.readme(stage)
    for label in ("Stage", "Image", "GPU", "Resumed"):
        assert text.count(f"- **{label}**: ") == 1


@pytest.mark.parametrize("stage", STAGES)
def test_a_docstring_names_the_image_that_is_compiled(stage: str) -> None:
    fields = readme.describe(stage).fields
    source = Path(inspect.getsourcefile(component(stage).python_func) or "").read_text()
    assert f'image("{fields["Image"]}")' in source
    assert fields["GPU"].startswith("yes" if fields["Image"] == "gpu" else "no")


@pytest.mark.parametrize("stage", STAGES)
def test_every_component_calls_the_task_of_its_name(stage: str) -> None:
    assert f"tasks.{stage}(" in inspect.getsource(component(stage).python_func)


def test_profiles_give_a_model_s_size_to_every_component_that_has_one() -> None:
    with_model = [stage for stage in STAGES if readme.describe(stage).fields["Image"] == "gpu"]
    assert sorted(INFERENCE | TRAINING) == with_model
