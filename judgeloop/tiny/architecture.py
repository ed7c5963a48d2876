"""The tiny base's tokenizer, processor, chat template, configuration and initialization.

Idefics3 (SigLIP-like vision tower, Llama text model) is the one small architecture that
Transformers, TRL, PEFT and vLLM all handle without torchvision. Nothing is downloaded: the
tokenizer is trained here on the world's own words, and the weights are initialized by seed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from judgeloop.tiny import formats
from judgeloop.tiny.render import SIZE
from judgeloop.tiny.scenes import COLOURS, PLACES, SHAPES

if TYPE_CHECKING:
    import torch
    import transformers

PATCH = 8
SHUFFLE = 2
"""Patches are merged 2 x 2, so each of the nine cells becomes one visual token."""
IMAGE_TOKENS = (SIZE // PATCH // SHUFFLE) ** 2

USER, ASSISTANT, END = "<|user|>", "<|assistant|>", "<|end|>"
_SPECIAL = (
    *("<|pad|>", USER, ASSISTANT, END, "<|system|>"),
    *("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>"),
)

_WORDS = (
    *(*COLOURS, *SHAPES, *PLACES, *formats.LETTERS),
    *("first", "last", "colour", "shape", "place", "count"),
    *("0", "1", "2", ",", ":", ";", "?", ".", "a", "b", "c", "all", "of", "or"),
    *("caption", "judge", "choose", "alter", "I", "see"),
)

CHAT_TEMPLATE = (
    "{%- macro body(content) -%}"
    "{%- if content is string -%}{{ content }}{%- else -%}{%- for part in content -%}"
    "{%- if part.type == 'text' -%}{{ part.text }}{%- else -%}<image>{%- endif -%}"
    "{%- endfor -%}{%- endif -%}"
    "{%- endmacro -%}"
    "{%- for message in messages -%}{{ '<|' + message.role + '|>' }}"
    "{%- if message.role == 'assistant' -%}"
    "{% generation %}{{ body(message.content) }}<|end|>{% endgeneration %}"
    "{%- else -%}{{ body(message.content) }}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}"
)
"""Two tokens of overhead per turn. The generation markers show TRL the assistant's tokens."""

INITIAL_RANGE = 0.08
"""Near 1/sqrt(128); with the library's 0.02 a model this small learns look-ups late or never."""
MATCHING_HEADS = 2
"""Heads per layer (layers 1 to 4) that start as content matchers."""


def make_tokenizer() -> transformers.PreTrainedTokenizerFast:
    """Trains the byte-level BPE tokenizer: each word of the world becomes one token."""
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    bpe.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        min_frequency=2,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=list(_SPECIAL),
    )
    bpe.train_from_iterator([" ".join(_WORDS)] * 4, trainer)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token=END,
        pad_token="<|pad|>",
        model_max_length=1024,
        clean_up_tokenization_spaces=False,
    )


def make_processor(tokenizer: transformers.PreTrainedTokenizerFast) -> transformers.ProcessorMixin:
    """Returns the processor: 48 x 48 pixels, nine visual tokens per image, the chat template."""
    import transformers

    images = transformers.Idefics3ImageProcessorPil(
        do_image_splitting=False,
        size={"longest_edge": SIZE},
        max_image_size={"longest_edge": SIZE},
    )
    return transformers.Idefics3Processor(
        images, tokenizer, image_seq_len=IMAGE_TOKENS, chat_template=CHAT_TEMPLATE
    )


def make_config(tokenizer: transformers.PreTrainedTokenizerFast) -> transformers.Idefics3Config:
    """Returns the configuration of the model of about 1.5 million parameters."""
    import transformers

    ids = {
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    text = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=5,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=32,
        max_position_embeddings=1024,
        initializer_range=INITIAL_RANGE,
        **ids,
    )
    return transformers.Idefics3Config(
        text_config=text,
        vision_config={
            "hidden_size": 96,
            "intermediate_size": 192,
            "num_hidden_layers": 2,
            "num_attention_heads": 3,
            "image_size": SIZE,
            "patch_size": PATCH,
            "initializer_range": INITIAL_RANGE,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=SHUFFLE,
        pad_token_id=ids["pad_token_id"],
    )


def make_model(
    config: transformers.Idefics3Config, seed: int
) -> transformers.Idefics3ForConditionalGeneration:
    """Initializes a model's weights by seed, with some heads that match equal contents."""
    import torch
    import transformers

    torch.manual_seed(seed)
    model = transformers.Idefics3ForConditionalGeneration(config).float()
    for layer in model.model.text_model.layers[1:]:
        _start_matching(layer.self_attn, config.text_config.head_dim)
    model.generation_config = transformers.GenerationConfig(
        eos_token_id=config.text_config.eos_token_id, pad_token_id=config.text_config.pad_token_id
    )
    return model


def _start_matching(attention: torch.nn.Module, head_dim: int) -> None:
    """Makes queries equal keys on slow rotary dimensions of some heads: equal contents attend.

    Rotary dimension i rotates with dimension i + head_dim / 2. The later ones of each half rotate
    slowly, so scores in them hardly depend on the distance.
    """
    import torch

    half = head_dim // 2
    slow = [*range(half // 2 - 1, half), *range(half + half // 2 - 1, head_dim)]
    with torch.no_grad():
        for head in range(MATCHING_HEADS):
            rows = torch.tensor([head * head_dim + index for index in slow])
            width = attention.q_proj.weight.shape[1]
            basis = torch.linalg.qr(torch.randn(width, len(slow))).Q.T * 1.5
            attention.q_proj.weight[rows] = basis
            attention.k_proj.weight[rows] = basis
