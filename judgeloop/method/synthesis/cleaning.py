"""Removes wrappers from an answer, from an original and its altered copy alike.

What only one of the two has (a preamble, a fence, quotation marks) would tell a judge which is
which without a look at the picture.
"""

from __future__ import annotations

import re
import unicodedata

from judgeloop.method.markup import visible, without_control_tokens, without_thinking

_THING = (
    r"(?:answer|response|description|caption|text|version|copy|paragraph|passage|reply|rewrite"
    r"|antwort|fassung|beschreibung|respuesta|descripción|réponse|légende|resposta|risposta|ответ|описание)"
)
_KIND = (
    r"(?:(?:the|a|an|my|your|new|altered|modified|updated|revised|rewritten|edited|requested"
    r"|corrected|final|changed|second|other|false|zweite|segunda|deuxième|neue|geänderte|nueva|nouvelle|la|le|die|el|une?|nova|новый|вот)\s+)*"
)
_YES_SURE = (
    r"(?:sure(?:\s+thing)?|certainly|of\s+course|absolutely|okay|ok|alright|all\s+right|got\s+it"
    r"|understood|natürlich|gerne|klar|claro|por\s+supuesto|bien\s+sûr|d'accord|certo|конечно"
    r"|хорошо|好的|当然|當然|はい|承知しました|もちろん|물론(?:입니다)?|네)"
)
_PREAMBLES = tuple(
    re.compile(rf"\A[\s*_#]*{pattern}", re.IGNORECASE)
    for pattern in (
        rf"{_YES_SURE}\s*[!,.:！，。、]+\s*",
        rf"(?:here(?:'s|\s+is|\s+are|\s+you\s+go)|hier\s+ist|aquí\s+(?:está|tienes)|voici|aqui\s+está"
        rf"|ecco|вот)\b[^:：\n]{{0,80}}{_THING}?[^:：\n]{{0,40}}[:：][*_]*\s*",
        r"(?:以下是|下面是|这是|以下は|こちらが|これが|다음은)[^:：\n]{0,40}[:：]\s*",
        rf"{_KIND}{_THING}\s*[:：][*_]*\s*",
        r"(?:新的?|第二个?|(?:修改|改写)后的|新しい|修正後の|새로운\s)?"
        r"(?:答案|回答|回复|描述|文本|版本|改写|修改|答え|説明|답변|คำตอบ|उत्तर)\s*[:：]\s*",
    )
)
MAX_PREAMBLES = 3
_CLOSING = re.compile(
    r"\n[^\n]{0,40}\b(?:let\s+me\s+know|hope\s+(?:this|that)\s+helps|feel\s+free|anything\s+else"
    r"|is\s+there\s+anything)\b[^\n]{0,160}\s*\Z",
    re.IGNORECASE,
)
_FENCED = re.compile(r"\A\s*(`{3,}|~{3,})[\w-]{0,20}[ \t]*\n(.*?)\n?\s*\1\s*\Z", re.DOTALL)
_TAGGED = re.compile(
    r"\A\s*<(answer|response|text|output|caption)>(.*)</\1>\s*\Z", re.DOTALL | re.I
)
_QUOTED = {'"': '"', "“": "”", "„": "“", "«": "»", "「": "」", "『": "』", "'": "'", "‘": "’"}
_EMPHASES = ("**", "__", "*", "_", "`")
_ENDINGS = ".!。！"


def clean_answer(text: str) -> str | None:
    """Returns the answer itself; None if thinking was never closed.

    Taken off, as often as they are nested: thinking, control tokens, a code fence, tags, quotation
    marks or emphasis around the whole, preambles ("Sure! Here is the new answer:") and closing
    offers. Letters with accents are written in one way (NFC).
    """
    said = without_thinking(visible(unicodedata.normalize("NFC", text)))
    if said is None:
        return None
    said = without_control_tokens(said).strip()
    for _ in range(MAX_PREAMBLES):
        before = said
        said = _unwrapped(_without_preamble(_CLOSING.sub("", said).rstrip()))
        if said == before:
            break
    return said


def with_ending_of(copy: str, original: str) -> str:
    """Gives a copy the full stop of its original, or takes one off that the original lacks.

    Neither may be empty.
    """
    ends = original[-1] in _ENDINGS
    if ends and copy[-1].isalnum():
        return copy + original[-1]
    if not ends and original[-1].isalnum() and copy[-1] in ".。":
        return copy[:-1].rstrip()
    return copy


def _without_preamble(text: str) -> str:
    for pattern in _PREAMBLES:
        match = pattern.match(text)
        if match and text[match.end() :].strip():
            text = text[match.end() :]
    return text


def _unwrapped(text: str) -> str:
    if (match := _FENCED.match(text)) and "```" not in match[2]:
        return match[2].strip()
    if match := _TAGGED.match(text):
        return match[2].strip()
    for sign in _EMPHASES:
        inner = text[len(sign) : -len(sign)]
        if len(text) > 2 * len(sign) and text.startswith(sign) and text.endswith(sign):
            if sign not in inner and "\n\n" not in inner and not inner.startswith(" "):
                return inner.strip()
            break
    closing = _QUOTED.get(text[:1])
    if closing and len(text) > 2 and text.endswith(closing):
        inner = text[1:-1]
        if closing not in inner and text[0] not in inner:
            return inner.strip()
    return text
