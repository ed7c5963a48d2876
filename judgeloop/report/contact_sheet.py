"""A page of generated pairs, for review before they are judged.

Both answers are shown side by side, with their differences marked. Every text is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from heapq import nsmallest

from judgeloop.report.environment import page_environment
from judgeloop.report.gallery import origin_in_words
from judgeloop.report.thumbnails import Thumbnail, Thumbnails
from judgeloop.schema.keys import fraction
from judgeloop.schema.records import Altered, Pair, Record
from judgeloop.store.images import ImageLibrary

PAIRS = 20
"""Pairs on a page."""
THUMBNAIL_PX = 224
TEXT_LIMIT = 2000
"""Characters of a text that are shown."""
_TOKEN = re.compile(r"\s+|\w+|[^\w\s]")
Parts = tuple[tuple[str, bool], ...]
"""A text in pieces, each with a flag for text that the other answer lacks."""


class SheetCard(Record, frozen=True, kw_only=True):
    """One pair."""

    thumbnails: tuple[Thumbnail, ...]
    question: str
    kind: str
    origin: str
    chosen: Parts
    rejected: Parts


def draw_pairs(pairs: Iterable[Pair], seed: int) -> list[Pair]:
    """Returns the pairs of a sheet, drawn by a hash of their ids."""
    return nsmallest(PAIRS, pairs, key=lambda pair: fraction("contact sheet", seed, pair.id))


def contact_sheet(pairs: Iterable[Pair], images: ImageLibrary, title: str) -> str:
    """Returns the page.

    Args:
        pairs: Pairs to show, in order.
        images: Opens the pairs' images; one that cannot be opened is left blank.
        title: Title of the page.
    """
    thumbnails = Thumbnails(images, THUMBNAIL_PX)
    cards = [_card(pair, thumbnails) for pair in pairs]
    template = page_environment(escape=True).get_template("contact_sheet.html.jinja")
    return template.render(title=title, cards=cards)


def marked(one: str, other: str) -> tuple[Parts, Parts]:
    """Returns two texts in pieces, in which text that only one of them has is marked."""
    from rapidfuzz.distance import Indel

    before, after = _TOKEN.findall(one), _TOKEN.findall(other)
    left, right = [], []
    for code in Indel.opcodes(before, after):
        old = "".join(before[code.src_start : code.src_end])
        new = "".join(after[code.dest_start : code.dest_end])
        left += [(old, code.tag == "delete")] if old else []
        right += [(new, code.tag == "insert")] if new else []
    return tuple(left), tuple(right)


def _card(pair: Pair, thumbnails: Thumbnails) -> SheetCard:
    question = pair.question
    chosen, rejected = pair.chosen[:TEXT_LIMIT], pair.rejected[:TEXT_LIMIT]
    plain: tuple[Parts, Parts] = (((chosen, False),), ((rejected, False),))
    shown = marked(chosen, rejected) if isinstance(pair.origin, Altered) else plain
    return SheetCard(
        thumbnails=tuple(thumbnails.make(name, "an image") for name in question.images),
        question=question.text[:TEXT_LIMIT],
        kind=str(question.kind),
        origin=origin_in_words(pair),
        chosen=shown[0],
        rejected=shown[1],
    )
