"""Content keys and seeds: what is derived from what, as hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from judgeloop.schema.records import to_json

SEED_SPACING = 1024
"""Samples of one request use seed, seed + 1, ...; requests' seeds are this far apart (vLLM gives
sample i the seed s + i)."""
KEY_DIGITS = 24


def content_key(*parts: object) -> str:
    """Returns 24 hexadecimal digits that name the content of `parts` (records, scalars)."""
    return hashlib.sha256(to_json(msgspec.to_builtins(parts))).hexdigest()[:KEY_DIGITS]


def field_at(tree: object, path: str) -> object:
    """Returns a field of a section by its path, such as `vllm.max_images`; None below a None.

    Raises:
        AttributeError: There is no such field.
    """
    for name in path.split("."):
        tree = None if tree is None else getattr(tree, name)
    return tree


def listed_key(*parts: Iterable[object]) -> str:
    """Returns `content_key` of lists, none of which is ever held as a whole."""
    digest = hashlib.sha256(b"[")
    for number, part in enumerate(parts):
        digest.update(b",[" if number else b"[")
        for at, item in enumerate(part):
            digest.update((b"," if at else b"") + to_json(msgspec.to_builtins(item)))
        digest.update(b"]")
    digest.update(b"]")
    return digest.hexdigest()[:KEY_DIGITS]


def seed_for(*parts: object) -> int:
    """Returns a request's seed, derived from what the request is: below 2**31, spaced by 1024."""
    digest = hashlib.sha256(to_json(msgspec.to_builtins(parts))).digest()
    return int.from_bytes(digest[:8], "big") % (2**31 // SEED_SPACING) * SEED_SPACING


def fraction(*parts: object) -> float:
    """Returns a number in [0, 1) drawn from the content of `parts`: the coin of all draws."""
    digest = hashlib.sha256(to_json(msgspec.to_builtins(parts))).digest()
    return int.from_bytes(digest[:7], "big") / 2**56
