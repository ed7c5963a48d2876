"""Where a verdict stands: in headings, lists, tables, tags, JSON, fences, quotations and scores."""

from tests.unit.verdict_open_cases import BOTH, NOTHING

HEADINGS_AND_LISTS = [
    ("reasons\n- Answer B", "B"),
    ("reasons\nResponse B.", "B"),
    ("reasons\nResponse B XX", NOTHING),
    ("reasons\nVerdict: a.", "A"),
    ("Verdict: A\n\nFinal verdict:", NOTHING),
    ("### Verdict\nI prefer Answer A.", "A"),
    ("Verdict:\n|---|---|---|\nA", "A"),
    ("Verdict:\nA: it sees the sofa.", "A"),
    ("- Answer B: The sofa is green. Verdict: B", NOTHING),
    ("Answer B : The sofa is green. Verdict: B", NOTHING),
    ("Answer B - The sofa is green. Verdict: B", NOTHING),
    ("Answer B – The sofa is green. Verdict: B", NOTHING),
    ("Answer B: The sofa is green. [[B]]", NOTHING),
    ("Answer B: The sofa is green. Answer B is better.", NOTHING),
    ("reasons\nI choose A over A.", NOTHING),
    ("[[A.]]", "A"),
    ("[[A is wrong]]", NOTHING),
    ("[[A XX]]", NOTHING),
    ("[[A]] Answer A", "A"),
    ("[[A]] Answer B", NOTHING),
    ("After looking at [[the image]], [[A]]", "A"),
]

TAGS_AND_JSON = [
    ("reasons\n<answer>A is better than B</answer>", "A"),
    ("reasons\n<answer>A is better</answer>", "A"),
    ("reasons\n<answer>A or B</answer>", NOTHING),
    ('{"scores":\n{"a": 1}\n}\n{"verdict": "A"}', "A"),
    ('{no JSON}\n{"verdict": "A"}', "A"),
    ('{"verdict": "A"}\n{"confidence": 3}', "A"),
    ('{"reasoning": "red\\nVerdict: B", "verdict": "A"}', "A"),
    ('{"verdict": "Answer\\nA"}', "A"),
    ('{"verdict": ["A"]}', NOTHING),
    ('{"verdict": ""}\nA', "A"),
    ("{'verdict': ''}\nA", "A"),
    ("{'score_a': 3, 'score_b': 4}", "B"),
]

FENCES = [
    ("```\n```\n```verdict\nA\n```", NOTHING),
    ("\n~~~\nThe sofa is red.\n\nVerdict: B\n~~~\n", "B"),
    ("```\nVerdict: A\n```\nThe sofa is red.", "A"),
    ("```\nThe sofa is green.\nVerdict: B\n```\nreasons\n```\nVerdict: A\n```", "A"),
    ("```\nThe sofa is green.\nVerdict: B\n```\n```", NOTHING),
    ("```\nThe sofa is green.\nVerdict: B\n```\nSo it ends.", NOTHING),
    ("reasons\n```\nColour: red\nVerdict: A\n```", "A"),
    ("Verdict: A\nAnswer B ends with:\n```\nVerdict: B\n```", "A"),
    ("Verdict: A\nAnswer B ends with:\n\n```\nVerdict: B\n```", "A"),
    # Never closed.
    ("reasons\n```\nVerdict: A", "A"),
    ("My verdict:\n```\nA", "A"),
    ("Verdict: B\n```\nVerdict: A", BOTH),
    ("Verdict: A\n```\nso\nfar", "A"),
    ("Verdict: A\n```\nso\nB", NOTHING),
]

QUOTATION_MARKS = [
    ("reasons\n  > Verdict: A", NOTHING),
    ('reasons\n- "Answer B"', "B"),
    ("reasons\n- 'Answer B'", "B"),
    ('- "Answer B"', "B"),
    ("- 'Answer B'", "B"),
    ('Verdict: "B"', "B"),
    ('Verdict: "B."', "B"),
    ('It ends with these words.\n"Answer B"', NOTHING),
    ("reasons\n'Verdict: B'", NOTHING),
    ("Verdict: A\nAnswer B ends like this:\n`Verdict: B`", "A"),
    ("Verdict: A\nAnswer B ends like this:\n\n`Verdict: B`\nso be it", "A"),
    ("It is red.\nVerdict: A\nAnswer B at the bottom:\n\n`Verdict: B`", "A"),
    ("reasons\n`Verdict: B` - that is how answer B ends", NOTHING),
    ("reasons\nIt ends like `Verdict: B`\nso be it", NOTHING),
    ("reasons\n`Verdict: A`\nThe sofa is red.", "A"),
    ('The last words are "answer\nA" is better than B.', NOTHING),
    ('Verdict: B\nRead "A XX"', "B"),
    ("Verdict: B\n`No A` XX", "B"),
    # Several, or one within another.
    ('It reads "stop" and "go".\nVerdict: A\nIt also reads "slow" and "exit".', "A"),
    ('The sign reads "stop"\nVerdict: A', "A"),
    ('Verdict: "A"\nIt reads "stop rightly.', "A"),
    ("It says “red.\nVerdict: B\nand «stop»”", NOTHING),
    ("“Red.\nVerdict: B\nand «stop»”\nso be it", NOTHING),
    ("It reads “stop «now»” again.\nVerdict: A", "A"),
    ("It reads stop” again.\nVerdict: A", "A"),
    ("“The sofa is green.\nVerdict: B", NOTHING),
    ("Das Schild sagt „Halt“.\nUrteil: A", "A"),
    ('It says "stop " now\nVerdict: A', "A"),
    ('It says "stop and "go"\nVerdict: A', "A"),
    ('The screen is 7" wide.\nVerdict: A', "A"),
    ('The screen is 27" wide; it says "\nVerdict: B\n" as well', NOTHING),
]

INTRODUCED = [
    ("**Answer B says:**\nVerdict: B", NOTHING),
    ("Answer B says: XX\nVerdict: A", "A"),
    ("Answer B says,\nVerdict: B", NOTHING),
    ("Answer B ends with\nVerdict: B", NOTHING),
    ("Answer B says -\nVerdict: B", NOTHING),
    ("Answer B says –\nVerdict: B", NOTHING),
    ("Answer B says —\nVerdict: B", NOTHING),
    ("As answer B SAYS:\nVerdict: B", NOTHING),
    ("Answer B SAYS:\n\nThe sofa is green.\n\nVerdict: B", NOTHING),
    ("My note: answer B says:\nVerdict: B", NOTHING),
    ("I quote the Answer:\nVerdict: B", NOTHING),
    ("I quote AnswerB:\nVerdict: B", NOTHING),
    ("My verdict, again:\nVerdict: B", "B"),
    ("Answer B says:\n\nAnswer B is better.\nVerdict: B", NOTHING),
    ("Verdict: A\nThis is what answer B says:\nthe sofa\nB", NOTHING),
]

SCORED = [
    ("- A: 7/10\n- B: 8/10", "B"),
    ("A: 7/10 and B: 8/10", "B"),
    ("A: 7 points\nB: 5 points", "A"),
    ("Points: A: 7, B: 8", "B"),
    ("SCORE: A: 7, B: 8", "B"),
    ("Answer A SCORE: 9\nAnswer B SCORE: 4", "A"),
    ("OVERALL SCORES\nA: 7\nB: 5", "A"),
]

STANDING_ELSEWHERE = [
    *HEADINGS_AND_LISTS,
    *TAGS_AND_JSON,
    *FENCES,
    *QUOTATION_MARKS,
    *INTRODUCED,
    *SCORED,
    ("回答A比不上回答B", "B"),
]
