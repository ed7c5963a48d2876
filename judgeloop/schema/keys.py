"""Content keys and seeds, derived by hashing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from judgeloop.schema.records import to_json

SEED_SPACING = 1024
"""Distance between the seeds of two requests. The samples of one request use seed, seed + 1, ...
(vLLM gives sample i the seed s + i)."""
KEY_DIGITS = 24


def content_key(*parts: object) -> str:
    """Returns a hash of `parts` (records, scalars): 24 hexadecimal digits."""
    return hashlib.sha256(to_json(msgspec.to_builtins(parts))).hexdigest()[:KEY_DIGITS]


def field_at(tree: Any, path: str) -> Any:
    """Returns a field of a section by its path, such as `vllm.max_images`; None below a None.

    Raises:
        AttributeError: There is no such field.
    """
    for name in path.split("."):
        tree = None if tree is None else getattr(tree, name)
    return tree


def listed_key(*parts: Iterable[object]) -> str:
    """Returns `content_key` of lists given as iterables, without holding a list in memory."""
    digest = hashlib.sha256(b"[")
    for number, part in enumerate(parts):
        digest.update(b",[" if number else b"[")
        for at, item in enumerate(part):
            digest.update((b"," if at else b"") + to_json(msgspec.to_builtins(item)))
        digest.update(b"]")
    digest.update(b"]")
    return digest.hexdigest()[:KEY_DIGITS]


def seed_for(*parts: object) -> int:
    """Returns the seed of a request, a hash of `parts`: below 2**31, a multiple of 1024."""
    digest = hashlib.sha256(to_json(msgspec.to_builtins(parts))).digest()
    return int.from_bytes(digest[:8]) % (2**31 // SEED_SPACING) * SEED_SPACING


def fraction(*parts: object) -> float:
    """Returns a pseudo-random number in [0, 1) that is a hash of `parts`.

    All random choices outside of models use it, so that each depends on its subject alone.
    """
    digest = hashlib.sha256(to_json(msgspec.to_builtins(parts))).digest()
    return int.from_bytes(digest[:7]) / 2**56
