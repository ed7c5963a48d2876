"""Pretrains the tiny base on one thread: first text alone (matching options), then everything.

Run as `python -m judgeloop.ops.tiny_base pretrain --out FOLDER --seed 0`; the same seed on the same
machine gives the same weights.
"""

from __future__ import annotations

import logging
import math
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING

from judgeloop.tiny.architecture import make_config, make_model, make_processor, make_tokenizer
from judgeloop.tiny.batching import IGNORED, Batch, Packer, Pictures
from judgeloop.tiny.curriculum import WORDS

if TYPE_CHECKING:
    import torch
    import transformers

log = logging.getLogger(__name__)

PICTURES = 32
"""Images per step whose visual tokens are aligned with the words of their cells."""
LENGTH = 112
"""Tokens of a packed sequence."""
TEXT_SHARE = 0.2
"""Share of the sequences after the first stage that have no image."""


def pretrain(
    out: Path, seed: int, text_steps: int, steps: int, sequences: int, rate: float
) -> None:
    """Trains a base from scratch and saves it with its processor.

    Args:
        out: Folder for the checkpoint; made if missing.
        seed: Determines the initial weights and every sample.
        text_steps: Steps of the first stage, text alone.
        steps: Steps of the second stage, mostly pictures.
        sequences: Packed sequences per step.
        rate: Peak learning rate.
    """
    import torch

    torch.set_num_threads(1)
    tokenizer = make_tokenizer()
    processor = make_processor(tokenizer)
    model = make_model(make_config(tokenizer), seed)
    model.set_attn_implementation("eager")  # four times as fast as SDPA's backward pass on a CPU
    rng = random.Random(seed)
    packer = Packer(tokenizer, rng, sequences, length=LENGTH)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True
    )
    word_ids = torch.tensor(tokenizer.convert_tokens_to_ids([f"Ġ{word}" for word in WORDS]))
    total, began, mean = text_steps + steps, time.monotonic(), 0.0
    model.train()
    for step in range(total):
        text = step < text_steps or rng.random() < TEXT_SHARE
        for group in optimizer.param_groups:
            group["lr"] = rate * schedule(step, text_steps, total)
        batch = packer.text_batch() if text else packer.picture_batch()
        loss = train_step(model, batch, packer.pictures(PICTURES), word_ids, optimizer)
        mean = loss if step == 0 else 0.98 * mean + 0.02 * loss
        if step % 100 == 99:
            spent = time.monotonic() - began
            log.info("step %d of %d: loss %.4f after %.0f s", step + 1, total, mean, spent)
        if step % 500 == 499:
            save(model, processor, out)
    save(model, processor, out)


def schedule(step: int, text_steps: int, total: int) -> float:
    """Share of the peak rate: warm-up at the start of both stages, cosine over the last 30 %."""
    into = step if step < text_steps else step - text_steps
    warm = min(1.0, (into + 1) / 100)
    tail = max(0.0, (step / total - 0.7) / 0.3)
    return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * tail)))


def train_step(
    model: transformers.Idefics3ForConditionalGeneration,
    batch: Batch,
    pictures: Pictures,
    word_ids: torch.Tensor,
    optimizer: torch.optim.Optimizer,
) -> float:
    """Takes one step on a batch and returns its loss."""
    import torch

    with torch.autocast("cpu", torch.bfloat16):
        hidden = model.model(
            input_ids=batch.input_ids,
            position_ids=batch.position_ids,
            attention_mask=batch.attention_mask,
            pixel_values=batch.pixel_values,
            use_cache=False,
        ).last_hidden_state
        covered = batch.labels != IGNORED
        logits = model.lm_head(hidden[covered])
        visual = model.model.get_image_features(pictures.pixel_values).pooler_output
    loss = torch.nn.functional.cross_entropy(logits.float(), batch.labels[covered])
    words = model.get_input_embeddings().weight[word_ids]
    optimizer.zero_grad()
    (loss + alignment_loss(visual.float(), words, pictures.words)).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return float(loss.detach())


def alignment_loss(
    visual: torch.Tensor, words: torch.Tensor, present: torch.Tensor
) -> torch.Tensor:
    """Pulls each visual token toward the embeddings of its cell's words, and away from the others.

    As contrastive pretraining does for larger vision towers; without it the text model learns to
    look an object up by its color, shape or place very late.

    Args:
        visual: (B, 9, width) visual tokens as they enter the text model.
        words: (W, width) input embeddings of the words.
        present: (B, 9, W), 1 where a word belongs to the cell.
    """
    import torch

    normalize = torch.nn.functional.normalize
    cosine = normalize(visual, dim=-1) @ normalize(words, dim=-1).T
    return torch.nn.functional.binary_cross_entropy_with_logits(12 * cosine - 3.5, present)


def save(
    model: transformers.Idefics3ForConditionalGeneration,
    processor: transformers.ProcessorMixin,
    out: Path,
) -> None:
    """Writes the checkpoint: weights as safetensors, configuration, tokenizer, chat template."""
    model.save_pretrained(out)
    processor.save_pretrained(out)
