"""A pattern that is taken is matched at once; one that might not be is refused unmatched."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgeloop.models.module_pattern import PatternError, check_pattern
from judgeloop.training.adapter import LANGUAGE_LAYERS

NAMES = [
    *(f"model.language_model.layers.{n}.self_attn.{x}_proj" for n in range(80) for x in "qkvo"),
    "a" * 100,
    "a.b" * 33,
]
LONGEST_S = 10.0
"""For all the names, on a machine that has much else to do."""


def seconds_to_match(pattern: str, names: list[str]) -> float:
    began = time.process_time()
    made = re.compile(rf"(.*\.)?({pattern})$")  # as PEFT does with the keys of `rank_pattern`
    for name in names:
        made.fullmatch(name)
    return time.process_time() - began


@pytest.mark.parametrize(
    "pattern",
    [
        LANGUAGE_LAYERS,
        "all-linear",
        r".*\.q_proj",
        r".*layers\.\d+\.self_attn\.(?:q|k|v|o)_proj",
        r"^model\.language_model\.(?!visual).*\.(?:q_proj|k_proj|gate_proj|up_proj|down_proj)$",
        r".*\.layers\.[0-9]{1,2}\.(self_attn|mlp)\.\w+_proj",
    ],
)
def test_plain_patterns_are_taken_and_matched_at_once(pattern: str) -> None:
    check_pattern(pattern)
    assert seconds_to_match(pattern, NAMES) < LONGEST_S


@pytest.mark.parametrize(
    "pattern",
    [
        "(.*)*x", "((a+)+)+$", "(?:a|a)*$", "(a*)*", "(?:a?)+x", "(a|a){9,99}b", "(?:(?:a*))*",
        ".*" * 40 + "x",
        ".*.*.*.*x",
        ".?" * 150 + "x",  # no star at all
        "(.|.)" * 60 + "x",  # no repetition at all
        "(?:a|a|a)" * 50 + "x",
        "((.|.)(.|.)|(.|.)(.|.))" * 15,
        "a{0,9}" * 30 + "x",
        r"(.+)\1\1\1x",
        "(?P<a>.)(?P=a)",
        "(?(1)a|b)",
        "(?i:a)",
        "(?#x)",
        "a" * 501,
    ],
)  # fmt: skip
def test_what_could_be_matched_for_ever_is_refused_unmatched(pattern: str) -> None:
    began = time.process_time()
    with pytest.raises(PatternError):
        check_pattern(pattern)
    assert time.process_time() - began < 1


@pytest.mark.parametrize("pattern", ["([", "(a", "a)", "*a", "a**", "[z-a]", "a{3,1}", "\\"])
def test_wrong_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        check_pattern(pattern)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.lists(
        st.sampled_from(
            [
                *"ab.|()",
                "(?:",
                "(?!",
                ".*",
                ".+",
                "a*",
                "a?",
                "a*?",
                ".{0,9}",
                r"\.",
                r"\w+",
                "[ab]*",
            ]
        ),
        max_size=14,
    ).map("".join)
)
def test_whatever_is_taken_is_matched_in_time(pattern: str) -> None:
    try:
        check_pattern(pattern)
    except PatternError:
        return
    assert seconds_to_match(pattern, ["a" * 100, "ab." * 33, NAMES[0]]) < 1
