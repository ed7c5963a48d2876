"""Names in MLflow: which a configuration may have, and what is derived from them."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgeloop.registry.names import keys, logged_model_name
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import ConfigError
from tests.conftest import REPOSITORY

MICRO = REPOSITORY / "pipelines/configs/micro.yaml"
COMPOSED, SEPARATE = "caf\u00e9", "cafe\u0301"
ODD = [
    "colour", "Colour", "COLOUR", COMPOSED, SEPARATE, "cafe", "cafe ", " cafe", "颜色", "形状",
    "रंग", "สี", "لون", "a?", "a!", "a:", "a_", "a-b", "a.b", "a b", "a/b", "a//b", "/a/b", "a/b/",
    "./a/b", "a/./b", "a/../b", "../x", "/x", ".", "..", "...", "..x", "x" * 250, "x" * 251,
    "x" * 300, "y" * 300, "", " ", "\n", "\t", "\0", "a\u200bb", "a\u00a0b", "😀", "'", '"', "`",
    "%41", "A", "#", "<b>", "\\", "ﬁ", "fi", "Straße", "STRASSE", "\ud7ff", "n", "-", "_",
]  # fmt: skip


def test_every_key_is_taken_by_mlflow_and_no_two_are_one() -> None:
    from mlflow.utils.validation import _validate_metric_name, _validate_param_name

    found = keys(ODD)
    assert list(found) == ODD
    for key in found.values():
        _validate_metric_name(key)
        _validate_param_name(key)
        assert len(key) <= 250
    one = {key.casefold().strip() for key in found.values()}
    assert len(one) == len(set(ODD))


@given(st.lists(st.text(max_size=300) | st.text("./a_-A é?", max_size=8), max_size=8, unique=True))
@settings(max_examples=300, deadline=None)
def test_whatever_the_names_are_their_keys_are_legal_and_distinct(names: list[str]) -> None:
    from mlflow.utils.validation import _validate_metric_name

    found = keys(names)
    for key in found.values():
        _validate_metric_name(key)
        assert len(key) <= 250
    for one, other in combinations(found.values(), 2):
        assert one.casefold().strip() != other.casefold().strip()


@pytest.mark.parametrize(
    "name", ["colour", "both_orders/size and count", "evaluation/n", "training.rank", "颜色", "a-b"]
)
def test_a_legal_name_stays_as_it_is(name: str) -> None:
    assert keys([name]) == {name: name}


def test_a_name_that_looks_derived_cannot_be_one_that_is() -> None:
    derived = keys(["a?"])["a?"]
    assert derived.startswith("a_-")
    assert len(set(keys(["a?", derived]).values())) == 2
    assert keys([derived])[derived] != derived


@pytest.mark.parametrize(
    ("one", "other"), [("Colour", "colour"), (COMPOSED, "cafe"), ("Straße", "STRASSE"), ("a", "a ")]
)
def test_names_that_a_database_takes_for_one_get_keys_that_it_does_not(
    one: str, other: str
) -> None:
    found = keys([one, other])
    assert found[one][-13:] != found[other][-13:]
    assert found[one] != one
    assert found[other] != other


def test_a_key_does_not_depend_on_the_other_names_unless_they_are_alike() -> None:
    alone = keys(["a?"])["a?"]
    assert keys(["a?", "b", "a!"])["a?"] == alone
    assert keys(["b?", "a?"])["a?"] == alone


MODELS = [
    "judge",
    "judgeloop-qwen2.5-vl-7b",
    "a b",
    "a%b",
    "it's",
    'a"b',
    "颜色",
    "m" * 256,
    "a@b",
    "?",
]


@pytest.mark.parametrize("name", MODELS)
def test_a_logged_model_s_name_is_taken_by_mlflow(name: str) -> None:
    from mlflow.utils.validation import _validate_logged_model_name

    assert len(logged_model_name(name)) <= 250
    _validate_logged_model_name(logged_model_name(name))


def test_a_logged_model_s_name_is_the_registered_one_s_where_it_can_be_and_distinct() -> None:
    assert logged_model_name("judgeloop-tiny") == "judgeloop-tiny"
    alike = ["a.b", "a_b", "a%b", "a'b", 'a"b', "a b"]
    assert len({logged_model_name(name) for name in alike}) == len(alike)


REFUSED = {
    "a/b": "contains '/'",
    "a:b": "contains ':'",
    "": "is empty",
    "   ": "is empty",
    " judge": "white space",
    "judge ": "white space",
    "judge\u00a0": "white space",
    ".": "a folder",
    "..": "a folder",
    "m" * 257: "has 257 characters",
    "a\nb": r"contains '\\n'",
    "a\tb": r"contains '\\t'",
    "a\x00b": r"contains '\\x00'",
    "a\x85b": r"contains '\\x85'",
    "a\ud83db": "half a surrogate pair",
    SEPARATE: "form NFC",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_mlflow_cannot_keep_is_refused_with_the_configuration(name: str) -> None:
    with pytest.raises(ConfigError, match=REFUSED[name]) as caught:
        load_config(MICRO, [f"registry.model_name={quoted(name)}"])
    assert "registry.model_name" in str(caught.value)


@pytest.mark.parametrize("name", [n for n in REFUSED if n not in ("a/b", "a:b", ".", "..")])
def test_an_experiment_s_name_that_mlflow_cannot_keep_is_refused_too(name: str) -> None:
    with pytest.raises(ConfigError, match=r"registry\.experiment"):
        load_config(MICRO, [f"registry.experiment={quoted(name)}"])


@pytest.mark.parametrize("name", [*MODELS, "team/judges: first", COMPOSED])
def test_any_other_name_is_taken(name: str) -> None:
    loaded = load_config(MICRO, [f"registry.experiment={quoted(name)}"])
    assert loaded.registry.experiment == name
    if "/" not in name:
        assert load_config(MICRO, [f"registry.model_name={quoted(name)}"])


def quoted(name: str) -> str:
    """YAML's double quotes, every character escaped."""
    return '"' + "".join(f"\\U{ord(c):08x}" for c in name) + '"'
