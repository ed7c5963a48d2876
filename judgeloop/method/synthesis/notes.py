"""Finds where a copy talks about its alteration instead of just making it, in many languages."""

from __future__ import annotations

import re

_NOTES = (
    # English
    r"\b(?:mistakes?|errors?|incorrect(?:ly)?|inaccura\w+|altered|alterations?|modif(?:y|ied|ication)"
    r"|chang(?:e|ed|es|ing)|replac(?:e|ed|ing)|swapp(?:ed|ing)|substitut\w+|rewrit(?:e|ten)|rewrote"
    r"|original(?:ly)?|instead\s+of|rather\s+than|as\s+(?:requested|instructed|asked)|previously"
    r"|introduced|deliberate(?:ly)?|intentional(?:ly)?|wrong(?:ly)?|actually|in\s+reality|formerly"
    r"|not\s+(?=\w+\s*[,)])|(?:was|is)\s+now|corrected|fictitious|false(?:ly)?)\b|\bnotes?:|\bp\.?s\.:",
    # German, Dutch
    r"\b(?:fehler\w*|geändert\w*|änderung\w*|ersetzt\w*|anstatt|anstelle|statt|ursprünglich\w*"
    r"|hinweis:|anmerkung:|absichtlich\w*|fout|gewijzigd|vervangen|in\s+plaats\s+van)\b",
    # French
    r"\b(?:erreurs?|modifi\w+|remplac\w+|au\s+lieu\s+de|à\s+la\s+place|plutôt\s+que|remarque\s*:"
    r"|changement\w*|changé\w*|initialement)",
    # Spanish, Portuguese, Italian
    r"\b(?:errores?|erros?|errori|errore|cambi(?:ad|é|o\b|ato)\w*|modific\w+|reemplaz\w+|substituí\w*"
    r"|sustitu\w+|sostitu\w+|en\s+(?:lugar|vez)\s+de|em\s+vez\s+de|invece\s+di|originalmente|alterad\w+"
    r"|nota\s*:)",
    # Russian, Ukrainian, Polish, Turkish
    r"ошибк|измен[её]н|заменен|заменён|вместо|примечани|помилк|змінен|замість|błąd|zmienion|zamiast"
    r"|\byerine\b|\bhata\b|değiştir",
    # Chinese
    r"错误|錯誤|修改|改为|改為|改成|更改|替换|替換|而不是|注意[:：]|注[:：]|原文|原来|原來|故意",
    # Japanese, Korean
    r"間違|誤り|変更|修正|ではなく|の代わりに|注[:：]|元の|置き換|오류|실수|변경|수정|대신|바꾸|바꿨|원래",
    # Thai, Vietnamese, Hindi, Arabic, Hebrew, Indonesian
    r"ผิดพลาด|แก้ไข|เปลี่ยน|แทนที่|หมายเหตุ|\blỗi\b|thay\s+đổi|thay\s+vì|ghi\s+chú|गलती|त्रुटि|बदल|के\s+बजाय"
    r"|خطأ|تغيير|تعديل|استبد|بدلا|بدلاً|ملاحظة|שגיאה|שינוי|במקום|\b(?:kesalahan|diubah|diganti)\b",
    # Signs
    r"~~|<(?:del|ins|s)>|[→⇒➜]|-{1,2}>|=>|\[(?:sic|x)\]|✗|❌",
    r"\((?:was|not|instead|formerly|previously|changed|sic)\b",
)
_NOTE = re.compile("|".join(_NOTES), re.IGNORECASE)


def notes(text: str) -> list[str]:
    """Returns the words and signs of a text that may speak of an alteration."""
    return sorted(match[0].lower() for match in _NOTE.finditer(text))


def talks_about_itself(copy: str, original: str) -> bool:
    """Returns whether a copy has such words that its original does not have as often."""
    left = notes(original)
    for note in notes(copy):
        if note not in left:
            return True
        left.remove(note)
    return False
