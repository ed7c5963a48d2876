"""Samples tokens with one seed per sample, so that no text depends on the rest of the batch.

`torch.manual_seed` would give a whole batch one stream of random numbers. Here every sample has its
own stream, and each token takes one number of it, by inverse transform sampling from the
distribution that the warpers leave. (The Gumbel-max trick gives the same distribution, but needs a
number for every word of the vocabulary at every step: 10 MB per step for 16 samples of Qwen-VL.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from judgeloop.schema.sampling import Sampling

if TYPE_CHECKING:
    import torch
    from transformers import LogitsProcessorList


def seeded_processors(sampling: Sampling, seeds: Sequence[int]) -> LogitsProcessorList:
    """Returns the logits processors that turn `generate(do_sample=False)` into seeded sampling.

    Args:
        sampling: Temperature, top-k and top-p; greedy (temperature 0) needs no processor at all.
        seeds: One per row of the batch.
    """
    import transformers as tf

    processors = tf.LogitsProcessorList()
    if sampling.temperature == 0:
        return processors
    if sampling.temperature != 1:
        processors.append(tf.TemperatureLogitsWarper(sampling.temperature))
    if sampling.top_k:
        processors.append(tf.TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        processors.append(tf.TopPLogitsWarper(sampling.top_p))
    processors.append(SeededChoice(seeds, sampling.max_tokens))
    return processors


class SeededChoice:
    """A logits processor that leaves one token per row, drawn by the row's seed.

    It serves one `generate` call. Numbers are drawn on the CPU, so a GPU gives the same ones.

    Args:
        seeds: One per row.
        max_tokens: Upper bound of the calls.
    """

    def __init__(self, seeds: Sequence[int], max_tokens: int) -> None:
        import torch

        generator = torch.Generator()
        self._numbers = torch.stack(  # [rows, max_tokens], in [0, 1)
            [torch.rand(max_tokens, generator=generator.manual_seed(seed)) for seed in seeds]
        )
        self._step = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Returns scores [rows, vocabulary] with 0 at the drawn token and -inf elsewhere."""
        import torch

        if self._numbers.device != scores.device:
            self._numbers = self._numbers.to(scores.device)
        # In double precision, a number below 1 times the total stays below the total, and a token
        # of probability 0 is never the first one above.
        cumulative = torch.softmax(scores.float(), dim=-1).double().cumsum(dim=-1)
        drawn = self._numbers[:, self._step, None].double() * cumulative[:, -1:]
        tokens = torch.searchsorted(cumulative, drawn, right=True)
        self._step += 1
        return torch.full_like(scores, float("-inf")).scatter_(1, tokens, 0.0)
