"""Reads what follows a label: whether it confirms a verdict, and what retracts one later."""

from __future__ import annotations

import re

from judgeloop.method.judging.labels import Labels

_DEGREE = (
    r"(?:(?:clearly|only|definitely|certainly|overall|significantly|slightly|somewhat|much|far|a\s+bit|a\s+little"
    r"|marginally|also|therefore|thus|the|by\s+far|obviously|simply|strictly)\s+){0,4}"
)
_GOOD = (
    r"(?:better|best|superior|stronger|strongest|preferable|preferred|winner"
    r"|(?:more|most)\s+(?:accurate|correct|faithful|truthful|factual|reliable|precise|complete))"
)
_RIGHT = r"(?:correct|right|accurate|true|faithful|truthful|factual|precise)"
_THING = (
    r"(?:\s+(?:answer|response|one|choice|option|assistant|description|caption|candidate"
    r"|of\s+the\s+two|overall|here|match)){0,2}"
)
_IS_BETTER = rf"\s*(?:is|was|'s|be|as)\s+{_DEGREE}{_GOOD}{_THING}"
_WINS = (
    r"\s*(?:clearly\s+|easily\s+|narrowly\s+)?"
    r"(?:wins|won|beats|outperforms|is\s+preferred\s+(?:over|to)|surpasses)"
)
_BECAUSE = (
    r"\s*(?:[,;:(.–—|]|-{1,2}\s|\bbecause\b|\bsince\b|\bas\b|\bdue\s+to\b|\bfor\s+(?:its|being|having)\b"
    r"|\boverall\b|\bhere\b)"
)
_STOPS = " .!"
_SENTENCE_END = _STOPS + "*。"
_DECORATION = _SENTENCE_END + "！✅✔☑🏆🎉👍\ufe0f"
_CLOSING = ")]}|"
_SIGN = re.compile(r"\s*(>{1,3}|<{1,3})\s*")
_OVER = re.compile(r"\s*(?:>{1,3}|over|beats)\s*", re.IGNORECASE)
_WORSE_THAN = re.compile(
    rf"\s*(?:(?:is|was)\s+{_DEGREE}(?:worse|inferior|weaker|less\s+(?:accurate|correct|faithful|truthful"
    r"|factual|reliable|precise|complete))|loses)\s*(?:than|to)\s+",
    re.IGNORECASE,
)
_BETTER_THAN = re.compile(r"(?:than|over|to|of the two)\s+", re.IGNORECASE)
_THE_OTHER = re.compile(r"(?:the\s+)?other(?:\s+one)?", re.IGNORECASE)
_PART = re.compile(r"\s*[,;:/&|(–—-]{1,2}\s*")
"""Between two parts of a list."""
_AND = re.compile(r"\s*[,(]?\s*and\b")
_BETTER_NON_ENGLISH = (
    r"\s*(?:明显|显然|略|稍)?(?:更好|更佳|更优|较好|胜出|获胜|更准确"
    r"|の(?:方|ほう)が(?:良い|よい|優れている))"
)
_NARROWLY = re.compile(
    r"\s*[,(–—-]{0,2}\s*(?:but|though|although|albeit|if)\s+"
    r"(?:(?:only|very)\s+)?(?:just|slightly|barely|narrowly|marginally|not\s+by\s+much"
    r"|by\s+a\s+(?:bit|little|hair|whisker|(?:very\s+)?(?:small|slim|thin|narrow)\s+margin))",
    re.IGNORECASE,
)
_PRAISE = re.compile(rf"(?:{_IS_BETTER}|{_WINS})", re.IGNORECASE)
_PRAISE_OR_RIGHT = re.compile(
    rf"(?:{_IS_BETTER}|{_WINS}|\s*(?:is|was)\s+{_DEGREE}{_RIGHT}|{_BETTER_NON_ENGLISH})",
    re.IGNORECASE,
)
_REASON = re.compile(_BECAUSE, re.IGNORECASE)
_HEDGED = re.compile(
    r"\?|\b(?:or|maybe|perhaps|possibly|probably|might|could|unless|unsure|uncertain|tied?|draw"
    r"|equal(?:ly)?|too|alike|same|as\s+(?:well|good|much|is|does|are)|either|neither|both|but|however|although|though|except|yet|if"
    r"|not\s+(?:sure|certain|really|better|the\s+better)|hard\s+to\s+say"
    r"|verdict|winner|judge?ment|decision)\b"
    r"|\b(?:aber|jedoch|allerdings|obwohl|vielleicht|unsicher|pero|aunque|quizás?|mais|peut-être|però"
    r"|forse|porém|talvez|но|однако|возможно)\b"
    r"|但|不过|不過|然而|虽然|雖然|可能|也许|或许|不确定|不確定|吗|嗎|一样|一樣|相同|除非|如果|しかし|ただし|かもしれ"
    r"|하지만|그러나|아마",
    re.IGNORECASE,
)
_RESTRICTED = re.compile(
    r"\s*(?:in|on|for|at|with|regarding|when|where|while|whereas|only|about|of)\b", re.IGNORECASE
)
MAX_INTERJECTION = 3
"""Words. A sentence of at most this length that names the other answer corrects the verdict."""
_REVERSAL = re.compile(
    r"\?|\b(?:wait|actually|on\s+(?:second\s+thought|reflection)|then\s+again|who\s+knows|unsure"
    r"|not\s+(?:sure|certain)|chang\w+\s+my\s+mind|correction|scratch\s+that|hmm+|take\s+(?:that|it)"
    r"\s+back|reconsider\w*|mistaken|my\s+mistake|sorry|i\s+meant?|maybe|perhaps|could\s+(?:also|be|go)"
    r"|hard\s+to\s+(?:say|tell)|tie|toss-?up|equally|either\s+way|other\s+way|opposite|swap\w*|ignore"
    r"|disregard|instead|rather|nicht\s+sicher|vielleicht|quizás?|tal\s+vez|no\s+estoy\s+segur[oa]"
    r"|peut-être|pas\s+sûre?)\b|不确定|更正|说错|搞错|改变主意|重新考虑|自信がない|間違え|확실하지|아니",
    re.IGNORECASE,
)
_TURN = re.compile(
    r"\s*(?:but|however|though|although|yet|still|alternatively|otherwise|no|nope|not|except"
    r"|unless|if|or|aber|jedoch|allerdings|doch|pero|sin\s+embargo|aunque|mais|cependant|toutefois"
    r"|però|porém|но|однако)\b"
    r"|\s*(?:但|不过|然而|等等|其实|しかし|ただ|でも|けれど|하지만|그러나|그런데|다만)",
    re.IGNORECASE,
)


def confirms(tail: str, side: int, labels: Labels) -> bool:
    """Returns whether the text after a verdict's label confirms the verdict.

    Allowed are nothing, praise ("is better", "wins"), "over" the other, and a reason.
    """
    rest = tail.strip(_DECORATION).rstrip(_CLOSING)
    if not rest or _NARROWLY.fullmatch(rest):
        return True
    same = labels.mention(rest)
    if same is not None and same.has_noun and not same.rest.strip(_DECORATION):
        return same.side == side
    if match := _OVER.match(rest):
        other = labels.mention(rest[match.end() :])
        return other is not None and other.side != side and confirms(other.rest, side, labels)
    if match := _PRAISE_OR_RIGHT.match(rest):
        return _explained(rest[match.end() :], side, labels)
    return _REASON.match(rest) is not None and _explained(rest, side, labels)


def comparison_winner(tail: str, side: int, labels: Labels) -> int | None:
    """Returns the side that a comparison prefers, whose first label is `side`; None if unclear."""
    if match := _SIGN.match(tail):
        if not _is_other(tail[match.end() :], side, labels):
            return None
        return side if match[1][0] == ">" else 1 - side
    if match := _WORSE_THAN.match(tail):
        return 1 - side if _is_other(tail[match.end() :], side, labels) else None
    match = _PRAISE.match(tail)
    if match is None:
        return None
    return side if _explained(tail[match.end() :], side, labels) else None


def retracts(text: str, side: int, labels: Labels) -> bool:
    """Returns whether a sentence after a verdict retracts it or casts doubt on it."""
    if _REVERSAL.search(text) or _TURN.match(text):
        return True
    if len(text.split()) <= MAX_INTERJECTION and 1 - side in labels.mentioned(text):
        return True
    mention = labels.mention(text)
    if mention is None or mention.side == side:
        return False
    return not mention.rest.strip(_STOPS) or _PRAISE_OR_RIGHT.match(mention.rest) is not None


def _is_other(text: str, side: int, labels: Labels) -> bool:
    """Returns whether a text is the other answer's label and nothing more."""
    other = labels.mention(text)
    return other is not None and other.side != side and not other.rest.strip(_STOPS)


def _explained(rest: str, side: int, labels: Labels) -> bool:
    """Returns whether praise is followed by "than" the other answer, by a reason, or by nothing."""
    rest = rest.strip(_SENTENCE_END).rstrip(_CLOSING)
    if match := _BETTER_THAN.match(rest):
        rest = rest[match.end() :]
        if other := labels.mention(rest):
            if other.side == side:
                return False
            rest = other.rest
        elif match := _THE_OTHER.match(rest):
            rest = rest[match.end() :]
        else:
            return False
        rest = rest.strip(_STOPS)
    if not rest:
        return True
    if _HEDGED.search(rest) or not _REASON.match(rest):
        return False
    listed = _PART.match(rest)
    after = labels.mention(rest[listed.end() :]) if listed else None
    if after is not None and after.side != side:
        open_part = not after.rest.strip(_STOPS + _CLOSING) or _RESTRICTED.match(after.rest)
        return after.has_noun and not open_part and not _PRAISE_OR_RIGHT.match(after.rest)
    return _AND.match(rest) is None
