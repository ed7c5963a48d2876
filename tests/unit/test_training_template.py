"""The template of training on conversations: it marks what is learnt, and writes what was asked."""

from __future__ import annotations

from typing import Any

import pytest

from judgeloop.schema.errors import TrainingError
from judgeloop.training.template import mark_assistant
from tests import tiny_random

TURNS = [
    {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "which is red"}]},
    {"role": "assistant", "content": [{"type": "text", "text": "I see red A"}]},
]


@pytest.fixture
def processor() -> Any:
    return tiny_random.make_mllama_processor()


def test_the_assistant_s_text_and_its_end_are_marked_and_the_text_stays(processor: Any) -> None:
    before = processor.apply_chat_template(TURNS, tokenize=False)
    mark_assistant(processor, [2, 0, 1])
    assert processor.apply_chat_template(TURNS, tokenize=False) == before
    tokens = processor.tokenizer.apply_chat_template(
        TURNS,
        chat_template=processor.chat_template,
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    rows = zip(tokens["input_ids"], tokens["assistant_masks"], strict=True)
    assert processor.tokenizer.decode([token for token, own in rows if own]) == (
        "I see red A<|eot_id|>"
    )


@pytest.mark.parametrize("marker", ["{% generation %}", "{%- generation -%}", "{%+generation%}"])
def test_a_template_that_marks_the_assistant_itself_is_kept(processor: Any, marker: str) -> None:
    own = processor.chat_template.replace("{{ part.text }}", f"{marker}[{{{{ part.text }}}}]")
    processor.chat_template = own
    mark_assistant(processor, [1])
    assert processor.chat_template == own


WRITES_TWO_IMAGES_OTHERWISE = "{% if messages[0].content|length > 2 %}two{% endif %}"
WRITES_AN_ANSWER_OTHERWISE = "{% if messages[1] %}answered{% endif %}"
WRITES_THE_PROMPT_OTHERWISE = "{% if add_generation_prompt %}asked{% endif %}"


@pytest.mark.parametrize(
    ("added", "images", "said"),
    [
        ("other", [0], ["0 images", "'other<|begin_of_text|>", "write '<|begin_of_text|>"]),
        (WRITES_TWO_IMAGES_OTHERWISE, [0, 1, 2], ["2 images", "'two<|begin", "<|image|><|image|>"]),
        (WRITES_TWO_IMAGES_OTHERWISE, [1], []),
        (WRITES_AN_ANSWER_OTHERWISE, [1], ["1 images", "'answered<|begin"]),
        (WRITES_THE_PROMPT_OTHERWISE, [1], ["1 images", "'asked<|begin"]),
        ("{% if messages[0].role != 'user' %}x{% endif %}", [1], []),
    ],
    ids=["all", "two images", "one image", "an answer", "a prompt", "no user"],
)
def test_a_template_that_writes_otherwise_than_training_would_is_refused(
    processor: Any, added: str, images: list[int], said: list[str]
) -> None:
    processor.chat_template = own = added + processor.chat_template
    if not said:
        mark_assistant(processor, images)
        assert processor.chat_template != own
        return
    with pytest.raises(TrainingError, match="chat template writes a conversation") as caught:
        mark_assistant(processor, images)
    assert [words for words in said if words not in str(caught.value)] == []
    assert "Give the base's template `{% generation %}` markers" in str(caught.value)
    assert processor.chat_template == own


def test_what_is_compared_is_a_whole_conversation(processor: Any) -> None:
    """Each part of it that a template may look at."""
    seen: list[Any] = []
    render = processor.apply_chat_template

    def look(turns: Any, **options: Any) -> Any:
        seen.append((turns, options["add_generation_prompt"]))
        return render(turns, **options)

    processor.apply_chat_template = look
    mark_assistant(processor, [1, 1])
    user = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "question"}]}
    answer = {"role": "assistant", "content": [{"type": "text", "text": "answer"}]}
    assert seen == [([user], True)] * 2 + [([user, answer], False)] * 2
