"""The components: what they say of themselves is true, and their READMEs say it too."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from functools import partial

import pytest

from components import readme
from components.images import image
from judgeloop.runtime import tasks
from judgeloop.runtime.stage_table import stage_names, stage_spec

STAGES = readme.stages()


class Given:
    """A parameter's value: a scalar, an artifact, or a list of one artifact."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __iter__(self) -> Iterator[Given]:
        return iter([self])


def flat(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


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
def test_a_component_runs_the_task_of_its_name_and_passes_on_whatever_it_is_given(
    stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: dict[str, tuple[object, ...]] = {}

    def called(function: str, *arguments: object, **named: object) -> dict[str, float]:
        calls[function] = (*arguments, *named.values())
        return {}

    for name, each in vars(tasks).items():
        if inspect.isfunction(each):
            monkeypatch.setattr(tasks, name, partial(called, name))
    function = component(stage).python_func
    given = {name: Given(f"/{name}") for name in inspect.signature(function).parameters}
    function(**given)
    ran = calls.pop("run", None)
    if ran is None:
        ran = (stage, *calls[stage])
    name, *passed = ran
    assert name == stage
    passed += calls.get("go_on", ())
    values = {getattr(each, "path", each) for value in passed for each in flat(value)}
    assert values - {None} == {f"/{name}" for name in given} - {"/metrics"}


def test_every_component_has_a_row_in_the_table_of_stages_and_every_row_a_component() -> None:
    assert sorted(stage_names()) == STAGES
