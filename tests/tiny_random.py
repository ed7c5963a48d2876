"""Makes image-text models with random weights, in a second and without a download."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

from judgeloop.tiny import architecture

ENDS = range(60, 100)
"""Tokens that end a text besides the real end token, so that random texts do end."""

PENALTY = 1.5
"""A default of sampling that no engine of ours takes from a checkpoint, as those of hubs have."""

_MLLAMA_MARKS = ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|image|>")
_MLLAMA_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' }}{% for part in m.content %}"
    "{% if part.type == 'text' %}{{ part.text }}{% else %}<|image|>{% endif %}{% endfor %}"
    "<|eot_id|>"
    "{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
"""The form of Llama 3.2 Vision's own, which marks no assistant's tokens."""

_QWEN_TEMPLATE = (
    "{% for m in messages %}<|user|>{% for part in m.content %}"
    "{% if part.type == 'text' %}{{ part.text }}"
    "{% else %}<|vision_start|><|image_pad|><|vision_end|>{% endif %}{% endfor %}"
    "{% endfor %}<|assistant|>"
)


def save_idefics3(folder: Path, seed: int = 0) -> Path:
    """Saves the tiny base's architecture with random weights."""
    tokenizer = architecture.make_tokenizer()
    model = architecture.make_model(architecture.make_config(tokenizer), seed)
    return _save(model, architecture.make_processor(tokenizer), folder)


def save_mllama(folder: Path, seed: int = 0, babble: dict[str, float] | None = None) -> Path:
    """Saves a small Mllama, which sees pictures by cross-attention and not as tokens.

    Args:
        folder: Where to.
        seed: Of the weights.
        babble: Words that it says more often than others, with what is added to their logits: so
            it makes pairs and verdicts, of no worth.
    """
    processor = make_mllama_processor()
    tokenizer = processor.tokenizer
    config = transformers.MllamaConfig(
        vision_config={
            **{"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2},
            **{"num_global_layers": 1, "attention_heads": 2, "image_size": 48, "patch_size": 8},
            **{"vision_output_dim": 64, "intermediate_layers_indices": [0], "max_num_tiles": 2},
            "supported_aspect_ratios": [[1, 1], [1, 2], [2, 1]],
        },
        text_config={
            **{"vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 128},
            **{"num_hidden_layers": 3, "cross_attention_layers": [1], "num_attention_heads": 4},
            **{"num_key_value_heads": 2, "max_position_embeddings": 512, "rope_theta": 10000.0},
            **{"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id},
            **{"pad_token_id": tokenizer.pad_token_id, "initializer_range": 0.2},
        },
        image_token_index=tokenizer.convert_tokens_to_ids("<|image|>"),
    )
    torch.manual_seed(seed)
    model = transformers.MllamaForConditionalGeneration(config).float()
    with torch.no_grad():  # closed gates would hide the picture
        for name, weight in model.named_parameters():
            if "gate" in name and weight.numel() == 1:
                weight.fill_(1.0)
        _favour(model, tokenizer, babble or {})
    return _save(model, processor, folder)


def make_mllama_processor() -> Any:
    """Makes the processor of a small Mllama."""
    tokenizer = architecture.make_tokenizer()
    tokenizer.add_special_tokens({"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"})
    tokenizer.add_special_tokens({"additional_special_tokens": list(_MLLAMA_MARKS)})
    return transformers.MllamaProcessor(
        transformers.MllamaImageProcessorPil(size={"height": 48, "width": 48}, max_image_tiles=2),
        tokenizer,
        chat_template=_MLLAMA_TEMPLATE,
    )


def _favour(model: Any, tokenizer: Any, words: dict[str, float]) -> None:
    """Adds to the logits of some words, by a dimension that is the same whatever was read."""
    if not words:
        return
    text = model.model.language_model
    for name, weight in text.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            weight[0] = 0.0  # nothing else writes into it
    text.embed_tokens.weight[:, 0] = 200.0  # most of the norm
    model.lm_head.weight[:, 0] = 0.0
    height = text.config.hidden_size**0.5
    for word, logit in words.items():
        (token,) = tokenizer(word, add_special_tokens=False)["input_ids"]
        model.lm_head.weight[token, 0] = logit / height


def make_qwen_vl(seed: int = 0) -> tuple[Any, Any]:
    """Makes a small Qwen2.5-VL and its processor, ready for generation.

    It cannot be saved and loaded: its video processor, which is left out, needs torchvision.
    """
    tokenizer = architecture.make_tokenizer()
    marks = ["<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>"]
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    tokenizer.padding_side = "left"
    images = transformers.Qwen2VLImageProcessorPil(
        patch_size=8, merge_size=2, min_pixels=16 * 16, max_pixels=48 * 48
    )
    processor = _ImagesOnly(images, tokenizer, None, chat_template=_QWEN_TEMPLATE)
    image, video, first, last = tokenizer.convert_tokens_to_ids(marks)
    config = transformers.Qwen2_5_VLConfig(
        text_config={
            **{"vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 128},
            **{"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2},
            **{"initializer_range": 0.3, "bos_token_id": None, "max_position_embeddings": 512},
            **{"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id},
            "rope_parameters": {
                **{"rope_type": "default", "rope_theta": 1e4},
                "mrope_section": [2, 3, 3],
            },
        },
        vision_config={
            **{"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2},
            **{"patch_size": 8, "spatial_merge_size": 2, "window_size": 32, "out_hidden_size": 64},
            **{"fullatt_block_indexes": [1], "initializer_range": 0.3},
        },
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=first,
        vision_end_token_id=last,
    )
    torch.manual_seed(seed)
    model = transformers.Qwen2_5_VLForConditionalGeneration(config).float().eval()
    model.generation_config = _generation(tokenizer)
    return model, processor


class _ImagesOnly(transformers.Qwen2_5_VLProcessor):
    def check_argument_for_proper_class(self, name: str, argument: Any) -> Any:
        if name == "video_processor":
            return None
        return super().check_argument_for_proper_class(name, argument)


def _generation(tokenizer: Any) -> transformers.GenerationConfig:
    return transformers.GenerationConfig(
        eos_token_id=[tokenizer.eos_token_id, *ENDS], pad_token_id=tokenizer.pad_token_id
    )


def _save(model: Any, processor: Any, folder: Path) -> Path:
    model.generation_config = _generation(processor.tokenizer)
    model.generation_config.repetition_penalty = PENALTY
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
