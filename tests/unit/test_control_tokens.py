"""No text of data or models becomes a control token of any family's tokenizer."""

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
