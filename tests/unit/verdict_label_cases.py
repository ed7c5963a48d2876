"""Texts of judges by what stands around and after an answer's label, as in `verdict_cases.py`."""

from tests.unit.verdict_open_cases import NOTHING

AROUND_LABEL = [
    ("reasons\nVerdict: (A) is better", "A"),
    ("reasons\nVerdict: [(A) ] is better", "A"),
    ('reasons\nVerdict: "(A) "', "A"),
    ("reasons\nVerdict: ‘A ’)", "A"),
    ("Answer A (the sofa is red) is better.", NOTHING),
    ("Overall (answer A ) is better.", "A"),
    # In lower case it may be an article, so it is read with a noun, in brackets, or alone.
    ("reasons\nVerdict: a", "A"),
    ("reasons\nVerdict: a, since the sofa is red", NOTHING),
    ("reasons\nVerdict: answer a, since the sofa is red", "A"),
    ("reasons\nVerdict: (a), since the sofa is red", "A"),
    ("reasons\na is better than b.", NOTHING),
    ("reasons\nb is better than a.", "B"),
    ("reasons\nI choose a.", NOTHING),
    ("reasons\n(a) is better than (b).", "A"),
]

CONFIRMED = [
    ("reasons\nVERDICT: A OVER B", "A"),
    ("reasons\nVerdict: A over B, A counts right.", "A"),
    ("reasons\nVerdict: A over B, B counts right.", NOTHING),
    ("reasons\nVerdict: A is better, A counts right.", "A"),
    ("reasons\nVerdict: A, A counts right.", "A"),
    ("reasons\nVerdict: A, Answer B invents a dog.", "A"),
    ("reasons\nVerdict: A, B invents a dog.", NOTHING),
    ("reasons\nVerdict: A, Answer B is better.", NOTHING),
    ("reasons\nVerdict: A, Answer B in style.", NOTHING),
    ("reasons\nVerdict: A {Answer A.}", "A"),
    ("reasons\nVerdict: A (Answer B.)", NOTHING),
    ("reasons\nVerdict: A is better, and B is longer.", NOTHING),
    ("Verdict: A\nIt was B.", NOTHING),
    ("Verdict: A\nIt was not as B says.", "A"),
]

COMPARED = [
    ("ANSWER A IS BETTER THAN ANSWER B", "A"),
    ("ANSWER A IS BETTER THAN THE OTHER ONE", "A"),
    ("ANSWER A IS WORSE THAN ANSWER B", "B"),
    ("Answer A is better!", "A"),
    ("Answer A is better。", "A"),
    ("[Answer A is better]", "A"),
    ("[Answer A is better than Answer B!]", "A"),
    ("[Answer A is better than the other.]", "A"),
    ("Answer A is better than the other one because it counts right.", "A"),
    ("Answer A is better than expected.", NOTHING),
    ("Answer A is better than Answer A.", NOTHING),
    ("Answer A is better (Answer B!)", NOTHING),
    ("Answer A is better, and Answer B is longer.", NOTHING),
    ("Answer A > Answer B!", "A"),
    ("Answer A > Answer A", NOTHING),
    ("Answer A > Answer B in style", NOTHING),
    ("Answer A > the rest", NOTHING),
    ("Answer A is worse than Answer B!", "B"),
    ("Answer A is worse than Answer A.", NOTHING),
    ("Answer A is worse than Answer B in style.", NOTHING),
    ("Answer A is worse than the rest.", NOTHING),
]

AROUND_AND_AFTER_LABEL = [*AROUND_LABEL, *CONFIRMED, *COMPARED]

PLACES = ("one on the left", "one on the right")
OTHER_LABELS = [
    (PLACES, "Verdict: one on the left", "A"),
    (PLACES, "Verdict: one on the left\nOne on the right.", NOTHING),
    (("Answer 1", "Left"), "Verdict: Left", "B"),
    (("Answer 1", "Left"), "Verdict: Answer 1", "A"),
    (("Answer 1", "Left"), "Verdict: 1", NOTHING),
    (("Answer 1", "Response 2"), "Verdict: Answer 2", NOTHING),
    (("X", "Y"), "Answer X is better than X.", NOTHING),
]
