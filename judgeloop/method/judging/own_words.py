"""Reduces a judge's text to the judge's own words, a line each.

Thinking, control tokens that a service left in, and quotations from an answer are removed: a
verdict in them is not the judge's. Markup that only decorates a verdict is kept readable.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import groupby

from judgeloop.method.judging.labels import NOUNS, Labels
from judgeloop.method.markup import (
    compatible,
    visible,
    without_control_tokens,
    without_thinking,
)

LEFT_OUT = "…"
"""Replaces a quotation."""
MAX_JSON_STARTS = 20
"""Positions that are tried as the start of a JSON object; the last ones count."""
_FENCE = re.compile(r"\s{0,8}(?:`{3,}|~{3,})\s{0,8}\w{0,20}\s*$")
_SPAN = re.compile(r"(?<![\w'])'([^'\n]{1,300})'(?!\w)|`([^`\n]{1,300})`")
_TAGGED = re.compile(
    r"<(answer|verdict|winner|choice|decision|final|result|output)>([^<>]{0,200})</\1>",
    re.IGNORECASE,
)
_PAIR = (
    r"\s{0,20}['\"](\w[\w ]{0,40})['\"]\s{0,5}:\s{0,5}"
    r"(?:'([^'\\\n]{0,500})'|\"([^\"\\\n]{0,500})\"|(\d{1,20}))\s{0,20}"
)
_FIELD = re.compile(_PAIR)
_DICTIONARY = re.compile(rf"\{{{_PAIR}(?:,{_PAIR}){{0,20}},?\s{{0,20}}\}}")
_BREAK = re.compile(r"<(?:br|p|div|/p|/div|/h\d)\s?/?>", re.IGNORECASE)
_TAG = re.compile(r"</?(?:b|strong|i|em|u|span|h\d|code|center|font)(?:\s[^<>]{0,80})?>", re.I)
_QUOTES = (
    r"\b(?:says?|said|writes?|wrote|reads?|stat(?:es|ed)|ends?|ended|clos(?:es|ed)|conclud(?:es|ed)"
    r"|claims?|quot(?:e|es|ed|ing|ation)|in full|as follows|verbatim|again|repeat(?:s|ed)?)\b"
)
_OWN_STATEMENT = re.compile(
    r"\b(?:i|my|verdict|judge?ment|decision|conclusion|output|json)\b", re.IGNORECASE
)
_OPENING, _CLOSING = "“«「『„", "”»」』"


def own_words(text: str, labels: Labels) -> list[str] | None:
    """Returns the lines of the judge's own words; None if thinking was never closed.

    An empty string among the lines is a blank line: paragraphs end there.
    """
    said = without_thinking(compatible(visible(text)))
    if said is None:
        return None
    said = without_control_tokens(said)
    said = _TAGGED.sub(lambda match: _on_its_own_line(match[2].strip(), labels), said)
    said = _TAG.sub("", _BREAK.sub("\n", said))
    lines = _without_fences(_with_json_read(said).split("\n"), labels)
    lines = [LEFT_OUT if line.lstrip().startswith(">") else line for line in lines]
    lines = _without_quotations("\n".join(lines), labels).split("\n")
    return _without_introduced([line.strip() for line in lines], labels)


def _on_its_own_line(inner: str, labels: Labels) -> str:
    return f"\n[[{inner}]]\n" if _is_label(inner, labels) else f"\n{inner}\n"


def _with_json_read(text: str) -> str:
    """Replaces JSON objects at the beginning of a line by their fields, a line each.

    Python literals are accepted too: single quotes, a trailing comma.
    """
    decoder, kept, start = json.JSONDecoder(object_pairs_hook=list), [], 0
    places = [match.start(1) for match in re.finditer(r"(?:^|\n)[ \t]{0,20}(\{)", text)]
    for place in places[-MAX_JSON_STARTS:]:
        if place < start:
            continue
        try:
            value, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            match = _DICTIONARY.match(text, place)
            if match is None:
                continue
            value, end = _pairs(match[0]), match.end()
        kept += [text[start:place], _fields(value)]
        start = end
    return "".join([*kept, text[start:]])


def _pairs(text: str) -> list[tuple[str, object]]:
    return [(it[1], it[2] or it[3] or it[4] or "") for it in _FIELD.finditer(text)]


def _fields(value: list[tuple[str, object]]) -> str:
    return "\n".join(
        f"{key.replace('_', ' ')}: {item}".replace("\n", " ")
        for key, item in value
        if isinstance(item, str | int) and len(str(item)) <= 200
    )


def _without_fences(lines: list[str], labels: Labels) -> list[str]:
    """Removes fenced blocks that hold more than a verdict, or a quotation from an answer."""
    fences = [at for at, line in enumerate(lines) if _FENCE.match(line)]
    if len(fences) == 2 and not any(map(str.strip, lines[: fences[0]] + lines[fences[1] + 1 :])):
        return lines[fences[0] + 1 : fences[1]]  # the whole text is fenced
    kept: list[str] = []
    block: list[str] | None = None
    before = ""
    for line in lines:
        if not _FENCE.match(line):
            if block is None:
                before = line if line.strip() else before
            (kept if block is None else block).append(line)
        elif block is None:
            block = []
        else:
            kept += _of_block(block, before, labels)
            block, before = None, ""
    if block is not None:
        last = _of_block(block, before, labels)
        if last == [LEFT_OUT] and labels.mentioned("\n".join(block)):
            return last  # never closed: whatever follows may be quoted, or the judge's last word
        kept += last
    return kept


def _of_block(block: list[str], before: str, labels: Labels) -> list[str]:
    filled = [line for line in block if line.strip()]
    fields = all(":" in line for line in filled)
    if (len(filled) <= 1 or fields) and not _introduces(before, labels):
        return filled
    return [LEFT_OUT]


def _without_quotations(text: str, labels: Labels) -> str:
    """Removes text in quotation marks or code spans, unless it is a label alone."""
    text = _SPAN.sub(lambda match: _of_span(match, text, labels), text)
    pieces, start = [], 0
    opened: int | None = None
    first, last = len(text) - len(text.lstrip()), len(text.rstrip()) - 1
    for place, closes in _marks(text):
        if opened is None and not closes:
            opened = place
        elif opened is not None and closes:
            inner = text[opened + 1 : place]
            whole = opened == first and place == last
            before = text[max(0, opened - 80) : opened].rpartition("\n")[2]
            kept = whole or (bool(before.strip()) and _is_label(inner, labels))
            pieces += [text[start:opened], f" {inner} " if kept else LEFT_OUT]
            start, opened = place + 1, None
    if opened is not None:  # never closed: whatever follows may be quoted, or the judge's last word
        if labels.mentioned(text[opened:]):
            return LEFT_OUT
        return "".join([*pieces, text[start:opened], LEFT_OUT])
    return "".join([*pieces, text[start:]])


def _is_label(text: str, labels: Labels) -> bool:
    mention = labels.mention(text.strip()) if "\n" not in text else None
    return mention is not None and not mention.rest.strip(" .!*")


def _of_span(match: re.Match[str], text: str, labels: Labels) -> str:
    """Keeps a quoted label, and a code span that fills a line not introduced as a quotation."""
    inner = match[1] or match[2]
    around = (
        text[max(0, match.start() - 400) : match.start()],
        text[match.end() : match.end() + 400],
    )
    before, _, start = around[0].rpartition("\n")
    alone = not (start + around[1].partition("\n")[0]).strip(" *_`")
    announced = _introduces(before.rstrip().rpartition("\n")[2], labels)
    kept = match[2] is not None and not announced if alone else _is_label(inner, labels)
    return f" {inner} " if kept else LEFT_OUT


def _marks(text: str) -> Iterator[tuple[int, bool]]:
    """Yields positions of double quotation marks, and whether each closes a quotation."""
    is_open = False
    for match in re.finditer(rf'["{_OPENING}{_CLOSING}]', text):
        place, mark = match.start(), match[0]
        before, after = text[place - 1 : place], text[place + 1 : place + 2]
        if mark == '"':
            if before.isdigit() and not is_open:  # inches
                continue
            closes = is_open and not (before.isspace() and after.strip())
        else:
            closes = mark in _CLOSING or (mark == "“" and is_open)
        is_open = not closes
        yield place, closes


def _introduces(line: str, labels: Labels) -> bool:
    """Returns whether a line introduces a quotation: by an answer's name, or a verb of saying."""
    line = line.strip(" *_#")
    if not line.endswith((":", ",", "with", "-", "–", "—")) or len(line) > 300:
        return False
    if re.fullmatch(rf"{labels.named}[^:]{{0,20}}:", line, re.IGNORECASE):
        return True
    names = re.search(rf"{labels.named}|\b{NOUNS}\b", line, re.IGNORECASE)
    quotes = re.search(_QUOTES, line, re.IGNORECASE)
    if quotes is None:
        return False
    return names is not None or _OWN_STATEMENT.search(line) is None


def _without_introduced(lines: list[str], labels: Labels) -> list[str]:
    """Removes what follows the introduction of a quotation.

    After a verb ("answer B says:") the quotation lasts until a later paragraph names an answer;
    after a mere heading ("Answer B:") to the end of its paragraph. Where a quotation after a verb
    lasts to the end and its last paragraph names an answer, that may be the judge's last word:
    then nothing is kept.
    """
    named = re.compile(labels.named, re.IGNORECASE)
    kept: list[str] = []
    last: list[str] = []
    quoting = quoted = heading = False
    for blank, group in groupby(lines, key=lambda line: not line):
        paragraph = list(group)
        if blank:
            kept += paragraph
            continue
        if quoting and quoted and any(named.search(line) for line in paragraph):
            quoting = False
        heading = False
        last = []
        for line in paragraph:
            if quoting:
                last.append(line)
            kept.append(LEFT_OUT if quoting or heading else line)
            quoted = quoted or quoting
            if not quoting and _introduces(line, labels):
                quoting = re.search(_QUOTES, line, re.IGNORECASE) is not None
                heading, quoted = not quoting, False
    return [LEFT_OUT] if labels.mentioned("\n".join(last)) else kept
