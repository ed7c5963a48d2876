"""Comparisons of two answers in Chinese, Japanese, Korean and some languages of Europe.

Each form is matched whole: a label, what stands between, the other label, and what follows. A
negation ("并不比", "nicht besser") matches no form, and the sentence decides nothing; "不如" says
that the other is better, and is a form of its own.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from judgeloop.method.judging.labels import ARTICLE, Labels


class Form(NamedTuple):
    """One construction of a comparison."""

    between: str
    """Pattern between the two labels."""
    after: str
    """Pattern after the second label; a reason may follow."""
    winner: int
    """0 if the label that comes first is better, 1 if the second is."""


_ZH_DEGREE = r"(?:明显|明顯|显然|顯然|确实|確實|稍微|略微|略|稍|更加|更为|更為|要|还要|更){0,3}"
_ZH_GOOD = (
    r"(?:好|佳|优|優|强|強|优秀|優秀|出色|准确|準確|正确|正確|精确|精確|可靠|真实|真實|完整"
    r"|胜一筹|勝一籌)(?:一些|一点|一點|些|得多|很多|多了)?"
)
_ZH_BAD = r"(?:差|糟|糟糕|逊色|遜色|不准确|不準確)(?:一些|一点|一點|些|得多|很多|多了)?"
_ZH_MUCH = r"(?:明显|明顯|显然|顯然|略|稍|远远?|遠遠?|大大|要){0,2}"
_JA_DEGREE = r"[、,]?(?:はるかに|ずっと|明らかに|やや|少し|もっと|より){0,2}"
_JA_COPULA = r"(?:だ|です|である)?"
_JA_SAID = r"(?:と(?:思う|思います|考える|考えます|判断する|判断します|言える|言えます|いえる))?"
_JA_GOOD = (
    rf"(?:(?:良い|よい|いい|好ましい)(?:です)?|優れて(?:いる|います|いた)|優れる"
    rf"|(?:正確|的確|優秀){_JA_COPULA}|勝る|勝っている){_JA_SAID}"
)
_JA_BAD = rf"(?:劣る|劣ります|劣って(?:いる|います)|悪い(?:です)?|不正確{_JA_COPULA}){_JA_SAID}"
_KO_SUBJECT = r"(?:\s?쪽)?(?:이|가|은|는)\s?"
_KO_DEGREE = r"\s?(?:(?:훨씬|조금|약간|더욱|더|명백히|확실히|분명히)\s?){0,3}"
_KO_SAID = r"(?:고\s?(?:생각한다|생각합니다|판단한다|판단합니다|판단됩니다|본다|봅니다))?"
_KO_GOOD = (
    r"(?:낫다|낫습니다|나아요|좋다|좋습니다|좋아요|우수하다|우수합니다|뛰어나다|뛰어납니다"
    rf"|정확하다|정확합니다|나은\s?(?:응답|답변)(?:이다|입니다)){_KO_SAID}"
)
_KO_BAD = (
    rf"(?:못하다|못합니다|나쁘다|나쁩니다|떨어진다|떨어집니다|부정확하다|부정확합니다){_KO_SAID}"
)
_ES_DEGREE = r"(?:(?:mucho|claramente|ligeramente|significativamente|bastante|algo)\s+){0,2}"
_ES_ADJECTIVE = r"(?:precis|exact|correct|complet|acertad|detallad)[ao]|fiel|fiable"
_PT_DEGREE = r"(?:(?:muito|claramente|ligeiramente)\s+){0,2}"
_IT_DEGREE = r"(?:(?:molto|chiaramente|decisamente|leggermente)\s+){0,2}"
_DE_DEGREE = r"(?:(?:deutlich|klar|etwas|viel|eindeutig|insgesamt|wesentlich)\s+){0,2}"
_DE_IS = r"(?:\s+(?:ist|war))?\s+"
_DE_GOOD = r"(?:besser|genauer|korrekter|präziser|zutreffender|treffender|richtiger)"
_DE_BAD = r"(?:schlechter|ungenauer|schwächer)"
_FR_DEGREE = r"(?:(?:nettement|clairement|bien|légèrement|beaucoup)\s+){0,2}"
_FR_ADJECTIVE = r"(?:précise?|exacte?|correcte?|fidèle|fiable|complète?|juste)"

FORMS = tuple(
    Form(*row)
    for row in (
        (r"(?:显然|顯然|明显|明顯|确实|確實|要)?比", rf"{_ZH_DEGREE}{_ZH_GOOD}", 0),
        (r"(?:显然|顯然|明显|明顯|确实|確實|要)?比", rf"{_ZH_DEGREE}{_ZH_BAD}", 1),
        (r"(?:与|與|和|跟|同)", rf"相比[,、]?{_ZH_DEGREE}更{_ZH_GOOD}", 0),
        (
            rf"{_ZH_MUCH}(?:优于|優於|胜过|勝過|胜于|勝於|好于|好於|强于|強於)",
            "",
            0,
        ),
        (
            rf"{_ZH_MUCH}(?:不如|不及|劣于|劣於|逊于|遜於|差于|差於|逊色于|遜色於|比不上)",
            rf"(?:那么|那麼)?(?:{_ZH_GOOD})?",
            1,
        ),
        (r"(?:没有|沒有)", rf"(?:那么|那麼)?{_ZH_GOOD}", 1),
        (r"(?:は|が|の(?:方|ほう)が)[、,]?", rf"よりも?{_JA_DEGREE}{_JA_GOOD}", 0),
        (r"(?:は|が)[、,]?", rf"(?:に勝る|に勝っている|を上回る|を上回っている){_JA_SAID}", 0),
        (r"(?:は|が)[、,]?", rf"(?:よりも?|に){_JA_DEGREE}{_JA_BAD}", 1),
        (r"よりも?[、,]?", rf"(?:の(?:方|ほう))?が{_JA_DEGREE}{_JA_GOOD}", 1),
        (_KO_SUBJECT, rf"\s?보다{_KO_DEGREE}{_KO_GOOD}", 0),
        (_KO_SUBJECT, rf"\s?(?:보다{_KO_DEGREE}|만\s?){_KO_BAD}", 1),
        (r"\s?보다는?\s?", rf"{_KO_SUBJECT}{_KO_DEGREE}{_KO_GOOD}", 1),
        (
            rf"\s+(?:es|resulta)\s+{_ES_DEGREE}(?:mejor(?:\s+respuesta)?\s+que|superior\s+a"
            rf"|preferible\s+a|más\s+(?:{_ES_ADJECTIVE})\s+que)\s+",
            "",
            0,
        ),
        (r"\s+(?:supera|vence|gana)\s+a\s+", "", 0),
        (rf"\s+(?:es|resulta)\s+{_ES_DEGREE}(?:peor\s+que|inferior\s+a)\s+", "", 1),
        (rf"\s+é\s+{_PT_DEGREE}(?:melhor|mais\s+precisa)\s+(?:do\s+)?que\s+", "", 0),
        (rf"\s+é\s+{_PT_DEGREE}pior\s+(?:do\s+)?que\s+", "", 1),
        (rf"\s+è\s+{_IT_DEGREE}(?:migliore|più\s+precisa)\s+(?:di|della)\s+", "", 0),
        (rf"\s+è\s+{_IT_DEGREE}peggiore\s+(?:di|della)\s+", "", 1),
        (rf"{_DE_IS}{_DE_DEGREE}{_DE_GOOD}\s+(?:ist\s+)?als\s+", r"(?:\s+ist)?", 0),
        (rf"{_DE_IS}{_DE_DEGREE}{_DE_BAD}\s+(?:ist\s+)?als\s+", r"(?:\s+ist)?", 1),
        (r"\s+ist\s+", rf"\s+{_DE_DEGREE}(?:überlegen|vorzuziehen)", 0),
        (r"\s+ist\s+", rf"\s+{_DE_DEGREE}unterlegen", 1),
        (r"\s+(?:übertrifft|schlägt)\s+", "", 0),
        (
            rf"\s+est\s+{_FR_DEGREE}(?:meilleure?\s+que|supérieure?\s+à|préférable\s+à"
            rf"|plus\s+{_FR_ADJECTIVE}\s+que)\s+",
            "",
            0,
        ),
        (r"\s+(?:surpasse|l['’]emporte\s+sur)\s+", "", 0),
        (
            rf"\s+est\s+{_FR_DEGREE}(?:pire\s+que|moins\s+bonne?\s+que|inférieure?\s+à"
            rf"|moins\s+{_FR_ADJECTIVE}\s+que)\s+",
            "",
            1,
        ),
        (r"\s+(?:лучше|точнее|правильнее),?\s+чем\s+", "", 0),
        (r"\s+хуже,?\s+чем\s+", "", 1),
    )
)
"""Forms that name both answers."""
ALONE = (
    rf"{_ZH_DEGREE}更{_ZH_GOOD}|(?:胜出|勝出|获胜|獲勝)",
    rf"の(?:方|ほう)が{_JA_DEGREE}{_JA_GOOD}",
    rf"{_KO_SUBJECT}\s?(?:훨씬\s|조금\s|약간\s)?더\s?{_KO_GOOD}",
    rf"\s+es\s+(?:{_ES_DEGREE}mejor|la\s+mejor(?:\s+respuesta)?)",
    rf"\s+é\s+(?:{_PT_DEGREE}melhor|a\s+melhor(?:\s+resposta)?)",
    rf"\s+è\s+(?:{_IT_DEGREE}migliore|la\s+(?:risposta\s+)?migliore)",
    rf"{_DE_IS}{_DE_DEGREE}{_DE_GOOD}(?:\s+ist)?",
    r"\s+ist\s+die\s+(?:bessere|genauere|beste)(?:\s+antwort)?",
    rf"\s+est\s+(?:{_FR_DEGREE}meilleure?|la\s+meilleure(?:\s+réponse)?)",
    r"\s+лучше",
)
"""Forms that name the better answer alone."""
_BETWEEN = [(re.compile(form.between, re.I), form) for form in FORMS]
_AFTER = {form.after: re.compile(form.after, re.I) for form in FORMS}
_ALONE = re.compile("|".join(f"(?:{form})" for form in ALONE), re.I)
_ARTICLE = re.compile(rf"^{ARTICLE}", re.I)
_SINCE = re.compile(
    r"[\s,;:(、]{0,3}(?:因为|因為|由于|由於|weil|denn|da|porque|ya\s+que|pues|dado\s+que|car"
    r"|parce\s+qu|puisqu|なぜなら|왜냐하면|pois|perché|poiché|потому)",
    re.I,
)
_DOUBTED = re.compile(
    r"\?|但|不过|然而|虽然|雖然|可能|也许|或许|如果|除非|一样|相同|しかし|ただ|けど|けれど|たぶん|かもしれ|もし"
    r"|하지만|그러나|다만|아마|만약|지만"
    r"|\b(?:aber|jedoch|obwohl|allerdings|wenn|falls|vielleicht|sofern|pero|aunque|sin\s+embargo|si"
    r"|quizás?|tal\s+vez|mais|cependant|toutefois|bien\s+que|peut-être|porém|talvez|però|forse"
    r"|но|однако|если|возможно|or|but|if)\b",
    re.I,
)
_DECORATION = " .!*。！)"


def non_english_winner(rest: str, side: int, labels: Labels) -> int | None:
    """Returns the side that a sentence in another language than English prefers; None if unclear.

    Args:
        rest: What follows the sentence's first label.
        side: The side of that label.
        labels: The names of the answers.
    """
    for between, form in _BETWEEN:
        match = between.match(rest)
        if match is None:
            continue
        other = labels.mention(_ARTICLE.sub("", rest[match.end() :]))
        if other is None or other.side == side:
            continue
        after = _AFTER[form.after].match(other.rest)
        if after is not None and _ends(other.rest[after.end() :]):
            return side if form.winner == 0 else other.side
    alone = _ALONE.match(rest)
    return side if alone is not None and _ends(rest[alone.end() :]) else None


def _ends(rest: str) -> bool:
    """Returns whether nothing follows, or a reason without a hedge."""
    rest = rest.strip(_DECORATION)
    return not rest or (_SINCE.match(rest) is not None and _DOUBTED.search(rest) is None)
