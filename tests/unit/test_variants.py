"""The table of traditional characters, held against the character sets of the two scripts."""

from judgeloop.method.synthesis.difference import content
from judgeloop.method.synthesis.frames import without_frame
from judgeloop.method.synthesis.variants import SIMPLIFIED


def is_in(char: str, encoding: str) -> bool:
    try:
        char.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def test_every_simplified_character_is_in_the_set_of_the_mainland() -> None:
    assert [char for char in SIMPLIFIED.values() if not is_in(char, "gb2312")] == ["啰"]


def test_every_traditional_character_is_in_a_set_of_taiwan_or_hong_kong() -> None:
    assert [chr(c) for c in SIMPLIFIED if not is_in(chr(c), "big5hkscs")] == []


def test_no_character_is_replaced_twice_and_few_are_used_in_both_scripts() -> None:
    assert not [chr(char) for char in SIMPLIFIED if chr(char) in SIMPLIFIED.values()]
    both = {chr(char) for char in SIMPLIFIED if is_in(chr(char), "gb2312")}
    assert both == set("後乾徵於著摺菸")


def test_a_text_that_is_nothing_but_a_frame_stays() -> None:
    for text in ("There is", "In the image.", "图中有", "The picture shows ..."):
        assert without_frame(text) == text


def test_characters_of_one_form_that_mean_something_else_still_differ() -> None:
    assert content("紅色的車") != content("綠色的車")
    assert content("三隻鳥") == content("三只鸟")
