"""Units of measure beside a number: two numbers with different units are different answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_NAMES = {
    "%": ("%", "percent", "per cent", "percentage points"),
    "cm": ("cm", "centimeter", "centimeters", "centimetre", "centimetres"),
    "mm": ("mm", "millimeter", "millimeters", "millimetre", "millimetres"),
    "m": ("m", "meter", "meters", "metre", "metres"),
    "km": ("km", "kilometer", "kilometers", "kilometre", "kilometres"),
    "inch": ("inch", "inches", "in"),
    "foot": ("foot", "feet", "ft"),
    "yard": ("yard", "yards", "yd"),
    "mile": ("mile", "miles", "mi"),
    "mg": ("mg", "milligram", "milligrams"),
    "g": ("g", "gram", "grams"),
    "kg": ("kg", "kilogram", "kilograms", "kilo", "kilos"),
    "pound": ("lb", "lbs", "pound", "pounds"),
    "ounce": ("oz", "ounce", "ounces"),
    "ton": ("ton", "tons", "tonne", "tonnes"),
    "ml": ("ml", "milliliter", "milliliters", "millilitre", "millilitres"),
    "l": ("l", "liter", "liters", "litre", "litres"),
    "°C": ("°c", "degrees celsius", "celsius", "degrees c"),
    "°F": ("°f", "degrees fahrenheit", "fahrenheit", "degrees f"),
    "°": ("°", "degree", "degrees", "deg"),
    "$": ("$", "dollar", "dollars", "usd"),
    "cent": ("cent", "cents", "¢"),
    "€": ("€", "euro", "euros", "eur"),
    "£": ("£", "gbp"),
    "¥": ("¥", "yen", "yuan"),
    "₹": ("₹", "rupee", "rupees"),
    "s": ("s", "sec", "secs", "second", "seconds"),
    "min": ("min", "mins", "minute", "minutes"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "day": ("day", "days"),
    "week": ("week", "weeks"),
    "month": ("month", "months"),
    "year": ("year", "years", "yr", "yrs", "years old"),
    "mph": ("mph", "miles per hour"),
    "km/h": ("km/h", "kph", "kmh", "kilometers per hour"),
    "m/s": ("m/s",),
    "cm²": ("cm^2", "square centimeters", "sq cm"),
    "m²": ("m^2", "square meters", "square metres", "sq m"),
    "cm³": ("cm^3", "cubic centimeters"),
    "m³": ("m^3", "cubic meters"),
    "am": ("am", "a.m."),
    "pm": ("pm", "p.m."),
    "kcal": ("kcal", "calories", "calorie", "cal"),
    **{name: (name.lower(),) for name in ("KB", "MB", "GB", "TB", "Hz", "kHz", "MHz", "GHz")},
    "W": ("w", "watt", "watts"),
    "V": ("v", "volt", "volts"),
}
_UNITS = {name: unit for unit, names in _NAMES.items() for name in names}
_SCALES = {
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    **dict.fromkeys(("mn", "mln", "mio"), 10**6),
    **dict.fromkeys(("bn", "mrd"), 10**9),
    "dozen": 12,
    "lakh": 10**5,
    "crore": 10**7,
    "万": 10**4,
    "亿": 10**8,
}
_SCALE = re.compile(rf"\s?({'|'.join(_SCALES)})s?(?![a-z])", re.IGNORECASE)
_THOUSANDS = re.compile(r"k(?!\w)", re.IGNORECASE)
_UNIT = re.compile(
    rf"\s?({'|'.join(re.escape(name) for name in sorted(_UNITS, key=len, reverse=True))})(?![\w^])",
    re.IGNORECASE,
)
_AMBIGUOUS = re.compile(r"\s?(?:(?-i:[A-Z]{1,2})|k|mil)(?!\w)", re.IGNORECASE)
"""`5 M` may be millions or meters, `3 k` thousands or kelvins, `3 mil` millions or thousands, and
`300 BC` is not 300."""
_TWO_MEANINGS = ("M", "MM", "G")
_MORE = re.compile(r"\s+\w")
_ATTACHED = re.compile(r"[^\W\d_]|[_^\\]")
_PREFIXES = {"$": "$", "€": "€", "£": "£", "¥": "¥", "₹": "₹", "US$": "$", "USD": "$", "EUR": "€"}


class Measure(NamedTuple):
    """What follows a number."""

    scale: int
    """Multiplies the number: `million`."""
    unit: str
    """Empty if none that is known follows."""
    length: int
    """Characters that scale and unit take."""


def unit_after(text: str) -> Measure | None:
    """Reads what follows a number; None if that may change it (`5th`, `3D`, `5M`)."""
    scale, at = 1, 0
    if match := _THOUSANDS.match(text):
        scale, at = 1000, match.end()
    while match := _SCALE.match(text, at):
        scale, at = scale * _SCALES[match[1].lower()], match.end()
    match = _UNIT.match(text, at)
    if match is not None and match[1] in _TWO_MEANINGS:
        return None
    if match is not None and not (match[1].lower() == "in" and _MORE.match(text, match.end())):
        return Measure(scale, _UNITS[match[1].lower()], match.end())
    changed = _ATTACHED.match(text, at) or _AMBIGUOUS.match(text, at)
    return None if changed else Measure(scale, "", at)


def unit_before(text: str) -> str:
    """Reads a currency's sign before a number."""
    for prefix, unit in _PREFIXES.items():
        if text.rstrip().endswith(prefix):
            return unit
    return ""


def in_one_unit(answers: Sequence[str | None]) -> list[str | None]:
    """Makes counted numbers comparable, some of which have a unit and some none.

    Where all units are the same, `3` and `3 cm` are one answer and the unit is left out. Where they
    differ, a number without a unit may be any of them and has no vote.
    """
    split = [None if answer is None else answer.partition(" ") for answer in answers]
    units = {parts[2] for parts in split if parts is not None and parts[2]}
    if len(units) > 1:
        return [None if parts is None or not parts[2] else "".join(parts) for parts in split]
    return [None if parts is None else parts[0] for parts in split]
