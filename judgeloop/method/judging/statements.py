"""Finds the sentences of a judge's own words that decide between two answers.

A *verdict* is a sentence that begins with a word such as "verdict" or "winner" and names one side,
or such a form as `[[A]]`. A *comparison* ("Answer A is better than Answer B") or a *score* counts
only where no verdict is there. Only known forms are read: what stands before the marker, and what
follows the label, must be of a known kind as well, or the sentence decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from judgeloop.method.judging.after_label import comparison_winner, confirms, retracts
from judgeloop.method.judging.comparatives import non_english_winner
from judgeloop.method.judging.labels import NOUNS, Labels


class Stated(StrEnum):
    """Why a text decides for neither answer."""

    NOTHING = "no_verdict"
    BOTH = "two_verdicts"


MAX_SENTENCE = 600
"""Characters; a longer sentence is read as prose."""
_ITEM = r"(?:[-+•–—>]{1,3}\s+|\d{1,2}[.)]\s+|#{1,6}\s*|[✅✔☑🏆👉]\s*)"
_ITEMS = re.compile(rf"^{_ITEM}{{1,3}}")
_SO = (
    r"(?:(?:so|therefore|thus|hence|and|finally|overall|ultimately|accordingly|consequently"
    r"|in (?:conclusion|summary|short)|to (?:conclude|summarize|sum up)|all in all|on balance"
    r"|all things considered|as a result|for (?:this|these) reasons?|clearly|given (?:this|that)"
    r"|in my (?:opinion|view|judge?ment)"
    r"|(?:based on|considering|after|given|having)\s[^,.:;]{1,100}(?=,))"
    r"\s*,?\s+)"
)
_OWN = (
    r"(?:(?:my|our|the|final|overall|ultimate|here(?:\s+is|'s)|mon|mein|mi|das|die|le|el|la|il|o)"
    r"\s+)"
)
_BETTER = (
    r"(?:(?:clearly|significantly|slightly|much|far|more|most)\s+){0,2}"
    r"(?:better|best|preferred|preferable|superior|stronger|accurate|winning)"
)
_MARKERS = (
    rf"(?:verdict|winner|judge?ment|decision|preference|conclusion|ruling|overall"
    rf"|final\s+choice|(?:my|the)\s+(?:choice|pick|vote)"
    rf"|{_BETTER}(?:\s+(?:{NOUNS}|one|choice|of\s+the\s+two))?"
    rf"|(?:chosen|selected)\s+(?:{NOUNS})|ranking"
    r"|bessere\s+antwort|mejor\s+respuesta|meilleure\s+réponse|melhor\s+resposta|miglior\s+risposta"
    r"|更好的(?:回答|答案|回复)|より良い回答|더\s?(?:나은|좋은)\s?(?:답변|응답)"
    r"|urteil|gewinner|veredicto|veredito|verdetto|ganador(?:a)?|vencedor(?:a)?|vincitore|gagnant"
    r"|вердикт|победитель|итог|最终判决|最终结论|最终裁决|判决|裁决|判定|结论|胜者|获胜者|優勝|評決|判決"
    r"|結論|勝者|판결|결론|승자)"
)
_SEPARATOR = (
    r"(?:\s{0,3}(?:=>|[:=→]|[-–—]{1,2}>?|\bis\b|\bwould\s+be\b|\bgoes\s+to\b|\bin\s+favou?r\s+of\b|\bfor\b"
    r"|\bist\b|\best\b|\bes\b|\bè\b|\bé\b|\bclear\b|\bas\s+follows\b|是|为|は)){1,3}\s{0,3}"
)
_START = rf"(?:{_ITEM}){{0,3}}{_SO}{{0,2}}{_OWN}{{0,3}}"
_I_SAY = r"(?:i(?:\s+(?:think|believe|conclude|find|judge|would\s+say)|['’]d\s+say)\s+(?:that\s+)?)"
_VERDICT = re.compile(
    rf"{_START}{_I_SAY}?{_OWN}{{0,3}}{_MARKERS}{_SEPARATOR}(?P<value>.*)", re.IGNORECASE | re.DOTALL
)
_HEADING = re.compile(rf"({_START}{_MARKERS})\s{{0,3}}[:=-]?\s*", re.IGNORECASE)
_ANSWER_MARK = re.compile(
    rf"{_START}(?:answer|reply)(?:\s{{0,3}}(?:[:=]|\bis\b)){{1,2}}\s{{0,3}}(?P<value>.*)",
    re.IGNORECASE | re.DOTALL,
)
_BRACKETED = re.compile(r"\[\[\s{0,3}([^\[\]]{1,40}?)\s{0,3}\]\]")
_BEFORE_BRACKETS = re.compile(
    rf"{_START}(?:(?:{_MARKERS}|answer|i\s+(?:choose|pick|select|prefer))?(?:{_SEPARATOR}|\s{{0,3}}))?",
    re.IGNORECASE,
)
_SO_NON_ENGLISH = (
    r"(?:(?:(?:综上所述|综上|因此|所以|总之|总体而言|总的来说|總之|總體而言|最终|最終|我认为|我認為|我觉得|我覺得"
    r"|したがって|よって|以上より|以上から|結論として|総合的に|따라서|결론적으로|종합하면|전반적으로|그러므로"
    r"|저는|제\s생각에는|por\s+(?:lo\s+)?tanto|en\s+(?:conclusión|resumen|general)|em\s+conclusão|portanto"
    r"|quindi|en\s+résumé|dans\s+l['’]ensemble|par\s+conséquent|donc|fazit|zusammenfassend|im\s+ergebnis"
    r"|(?:je\s+(?:pense|trouve|crois)|creo|considero|pienso)\s+que"
    r"|ich\s+(?:denke|finde|glaube|meine),?(?:\s+dass)?)"
    r"|(?:daher|deshalb|somit|damit|insgesamt|meiner\s+(?:meinung|ansicht)\s+nach)(?:\s+ist)?)"
    r"\s?[,:、]?\s{0,2}){0,2}"
)
_COMPARED = re.compile(
    rf"{_START}{_I_SAY}{{0,1}}{_SO_NON_ENGLISH}(?P<value>.*)", re.IGNORECASE | re.DOTALL
)
_CHOSEN = re.compile(
    rf"(?:{_START}(?:i|we)\s*(?:would\s+|'d\s+|will\s+|'ll\s+|have\s+)?(?:choose|chose|chosen|pick"
    r"|select|prefer|favou?r|vote\s+for|go\s+with|decide\s+(?:for|on)|opt\s+for)\s+"
    rf"|{_SO_NON_ENGLISH}(?:我(?:会|會|更)?(?:选择|選擇|选|選|喜欢|喜歡|偏好)|ich\s+(?:bevorzuge|wähle)\s"
    r"|prefiero\s|elijo\s|je\s+(?:préfère|choisis)\s)\s{0,3})(?P<value>.*)",
    re.IGNORECASE | re.DOTALL,
)
_CONCLUDES = re.compile(rf"(?:{_ITEM}){{0,3}}{_SO}", re.IGNORECASE)
_SPLIT = re.compile(r"(?<=[.!?])[\"'”’)]?\s+|(?<=[。！？])")
_LATEX = re.compile(
    r"\\(?:text|textbf|textit|mathbf|mathrm|mathsf|mathit|rm|bf)\s?\{([^{}]{0,80})\}"
)
_BOXED = re.compile(r"\\(?:boxed|fbox)\s?\{\s{0,5}([^{}]{0,80}?)\s{0,5}\}")
_MATHS = re.compile(r"\$|\\[()\[\]]")
_ARTICLE = re.compile(r"^(?:that\s+)?(?:(?:the|la|le|el|die)\s+)?", re.IGNORECASE)
_LISTED = re.compile(r"[,;]|\band\b")
_SCORES = re.compile(r"(?:final |overall )?(?:scores?|ratings?):?", re.IGNORECASE)
_SCORE_WORD = re.compile(r"(?:score|rating|points)s?\s*:?\s*", re.IGNORECASE)
_SCORE = re.compile(
    r"(?:'s)?\s*(score|rating|points)?\s*[:=]\s*(\d{1,3}(?:\.\d{1,3})?)\s*(?:/\s*(\d{1,3}))?"
    r"\s*(points)?[.!]?",
    re.IGNORECASE,
)


class Sentence(NamedTuple):
    """A sentence of a line."""

    text: str
    of_answer: bool = False
    """Its line begins with an answer's name and a colon, so it may quote that answer."""


def decided_side(lines: Sequence[str], labels: Labels) -> int | Stated:
    """Returns the side that the judge's own words prefer, else why they prefer none."""
    sentences = _sentences(lines, labels)
    for read in (_verdict_of, _comparison_of):
        found = [(at, read(sentence, labels)) for at, sentence in enumerate(sentences)]
        stated = [(at, side) for at, side in found if side is not None]
        sides = {side for _, side in stated if side is not Stated.BOTH}
        if not stated:
            continue
        last_at, last = stated[-1]
        if len(sides) > 1 and not (read is _comparison_of and _concludes(sentences[last_at])):
            return Stated.BOTH
        if isinstance(last, Stated) or last is None:
            return Stated.NOTHING
        return last if _is_final(sentences, last_at, last, labels, read is _verdict_of) else (
            Stated.NOTHING
        )  # fmt: skip
    scored = _scored_side(sentences, labels)
    return Stated.NOTHING if scored is None else scored


def _concludes(sentence: Sentence) -> bool:
    return _CONCLUDES.match(sentence.text) is not None


def _is_final(
    sentences: Sequence[Sentence], at: int, side: int, labels: Labels, is_verdict: bool
) -> bool:
    """Returns whether no later sentence retracts a verdict or may belong to another one."""
    after = [sentence.text for sentence in sentences[at + 1 :]]
    if any(retracts(text, side, labels) for text in after):
        return False
    return is_verdict or not any(1 - side in labels.mentioned(text) for text in after)


def _sentences(lines: Sequence[str], labels: Labels) -> list[Sentence]:
    """Cuts lines into sentences; a heading such as `Verdict:` is joined with the next line."""
    sentences: list[Sentence] = []
    heading = ""
    for plain in filter(None, map(_plain, lines)):
        if len(plain) < 80 and (found := _HEADING.fullmatch(plain)):
            heading = f"{found[1]}: "
            continue
        if heading and labels.mention(_ARTICLE.sub("", plain)) is None:
            heading = ""
        head = labels.mention(_ITEMS.sub("", plain)) if not heading else None
        of_answer = head is not None and head.rest.lstrip().startswith((":", "-", "–"))
        texts = [text.strip() for text in _SPLIT.split(heading + plain)]
        sentences += [Sentence(text, of_answer) for text in texts if text]
        heading = ""
    return [*sentences, Sentence(heading)] if heading else sentences


def _plain(line: str) -> str:
    """Removes markup: emphasis, mathematics, and the bars of a table row of two cells."""
    line = line.strip()
    if line.startswith("|"):
        cells = [cell for cell in (part.strip(" *_`") for part in line.split("|")) if cell]
        return f"{cells[0]}: {cells[1]}" if len(cells) == 2 else ""
    line = re.sub(r"\*+|`+|(?<!\w)_+|_+(?!\w)", "", _LATEX.sub(r"\1", line))
    return _MATHS.sub("", _BOXED.sub(r"[[\1]]", line)).strip()


def _verdict_of(sentence: Sentence, labels: Labels) -> int | Stated | None:
    """Reads a verdict; `Stated.BOTH` is a verdict that does not name exactly one side."""
    text = sentence.text
    if len(text) > MAX_SENTENCE or sentence.of_answer:
        return None
    for match in _BRACKETED.finditer(text):
        mention = labels.mention(match[1])
        if mention is None or mention.rest.strip(" ."):
            continue
        if _BEFORE_BRACKETS.fullmatch(text[: match.start()]) and confirms(
            text[match.end() :], mention.side, labels
        ):
            return mention.side
    if marked := _VERDICT.match(text):
        return _value(marked["value"], labels)
    if marked := _ANSWER_MARK.match(text):  # may be the answer's own: an option, a number
        mention = labels.mention(marked["value"])
        has_noun = mention is not None and mention.has_noun
        return _value(marked["value"], labels) if has_noun else None
    return _bare(text, labels)


def _value(text: str, labels: Labels) -> int | Stated | None:
    mention = labels.mention(_ARTICLE.sub("", text.strip()))
    if mention is None:
        return Stated.BOTH
    if mention.is_word and mention.rest.strip(" .!"):
        return Stated.BOTH
    if confirms(mention.rest, mention.side, labels):
        return mention.side
    better = non_english_winner(mention.rest, mention.side, labels)
    return mention.side if better == mention.side else Stated.BOTH


def _bare(text: str, labels: Labels) -> int | None:
    """Reads `Response B` alone."""
    mention = labels.mention(_ITEMS.sub("", text))
    if mention is None or not mention.has_noun or mention.rest.strip(" .!"):
        return None
    return mention.side


def _comparison_of(sentence: Sentence, labels: Labels) -> int | Stated | None:
    text = sentence.text
    if len(text) > MAX_SENTENCE or sentence.of_answer:
        return None
    chosen = _CHOSEN.match(text)
    said = chosen or _COMPARED.match(text)
    mention = said and labels.mention(said["value"])
    if mention is None or mention.is_word:
        return None
    if chosen:
        return mention.side if confirms(mention.rest, mention.side, labels) else None
    found = comparison_winner(mention.rest, mention.side, labels)
    return non_english_winner(mention.rest, mention.side, labels) if found is None else found


def _scored_side(sentences: Sequence[Sentence], labels: Labels) -> int | None:
    """Reads scores, where each answer has exactly one, both on the same scale."""
    scores: dict[int, list[tuple[float, str | None]]] = {0: [], 1: []}
    pieces = list(_pieces(sentences))
    named = any(_SCORES.fullmatch(text) for text in pieces)
    for text in pieces:
        word = _SCORE_WORD.match(text)
        mention = labels.mention(text[word.end() :] if word else text)
        score = mention and _SCORE.fullmatch(mention.rest)
        if mention and score:
            named = named or word is not None or any(score.group(1, 3, 4))
            scores[mention.side].append((float(score[2]), score[3]))
    if not named or any(len(found) != 1 for found in scores.values()):
        return None
    (first, scale), (second, other) = scores[0][0], scores[1][0]
    return None if scale != other or first == second else int(second > first)


def _pieces(sentences: Sequence[Sentence]) -> Iterator[str]:
    for sentence in sentences:
        text = _ITEMS.sub("", sentence.text[:MAX_SENTENCE])
        yield from filter(None, map(str.strip, _LISTED.split(text)))
