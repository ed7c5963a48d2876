"""How tokens are drawn."""

from __future__ import annotations

import msgspec


class Sampling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How tokens are drawn; temperature 0 is greedy and ignores the rest."""

    temperature: float = 0.6
    top_p: float = 0.9
    top_k: int = 50
    """0 leaves all tokens in."""
    max_tokens: int = 1024

    def __post_init__(self) -> None:
        """Refuses values that no engine can use."""
        if not 0 <= self.temperature <= 5:
            raise ValueError("temperature must be in 0..5 (0 is greedy)")
        if not 0 < self.top_p <= 1:
            raise ValueError("top_p must be above 0 and at most 1")
        if self.top_k < 0:
            raise ValueError("top_k must be 0 (off) or more")
        if self.max_tokens < 1:
            raise ValueError("max_tokens must be 1 or more")
