"""A stage is given the part of the configuration that its row declares, and nothing else."""

from __future__ import annotations

import inspect

import pytest

from judgeloop.runtime.decided import stages_decided_by
from judgeloop.runtime.stage_call import stage_function
from judgeloop.runtime.stage_settings import select_settings
from judgeloop.runtime.stage_table import STAGES, StageSpec
from judgeloop.schema.keys import field_at
from tests.stage_keys import changed, leaves

WORKING = [spec for spec in STAGES if spec.function]
ENDPOINT = ("engine.kind=openai", "engine.endpoint={url: 'http://host:1/v1', model: m}")


def covers(declared: tuple[str, ...], path: str) -> bool:
    return any(f"{path}.".startswith(f"{each}.") for each in declared)


def test_the_whole_configuration_is_given_to_be_recorded_alone() -> None:
    given = {s.name: inspect.signature(stage_function(s)).parameters for s in WORKING}
    assert [name for name, names in given.items() if "configuration" in names] == ["register"]


@pytest.mark.parametrize("spec", WORKING, ids=lambda spec: spec.name)
def test_a_stage_s_function_takes_what_its_row_declares(spec: StageSpec) -> None:
    given = inspect.signature(stage_function(spec)).parameters["config"].annotation
    assert given == spec.settings.__name__


@pytest.mark.parametrize("spec", WORKING, ids=lambda spec: spec.name)
def test_a_stage_cannot_read_what_it_does_not_declare(spec: StageSpec) -> None:
    config = changed(*ENDPOINT)
    given, declared = select_settings(config, spec.settings), set(leaves(spec.settings))
    for path in leaves():
        if path in declared:
            assert field_at(given, path) == field_at(config, path)
        else:
            with pytest.raises(AttributeError):
                field_at(given, path)


@pytest.mark.parametrize("spec", WORKING, ids=lambda spec: spec.name)
def test_what_a_stage_reads_is_in_its_key_or_in_an_input_s_or_is_said_to_decide_nothing(
    spec: StageSpec,
) -> None:
    settings = spec.settings
    for path in leaves(settings):
        decides = stages_decided_by(path)
        if path in settings.undeciding:
            assert spec.name not in decides, f"{path} decides {spec.name}"
        elif covers(settings.by_input, path):
            assert decides - {spec.name}, f"{path} is in no key"
        else:
            assert spec.name in decides, f"{spec.name} reads {path}: in its key, or declare it"


@pytest.mark.parametrize("spec", WORKING, ids=lambda spec: spec.name)
def test_no_declaration_is_left_over(spec: StageSpec) -> None:
    settings = spec.settings
    read = list(leaves(settings))
    assert set(settings.undeciding) <= set(read)
    for each in settings.by_input:
        assert any(covers((each,), path) for path in read), f"{spec.name} does not read {each}"
