"""The page docs/bad-input.md, made from the cases and what was seen of them."""

from collections.abc import Mapping
from itertools import groupby

from judgeloop.schema.errors import JudgeLoopError
from tests.bad_input import CASES, Case, Outcome
from tests.conftest import REPOSITORY

PAGE = REPOSITORY / "docs/bad-input.md"
LONGEST = 1400
"""Characters of a message that the page shows."""
HEAD = """# Bad input

What happens to {cases} kinds of bad input: {errors} end a command with an error, {quarantined} are
quarantined with a reason that is counted while the good rows beside them go on, {undecided} are
judgements without a verdict, and {accepted} are accepted and normalized. None ends in a traceback.

This page is made by a test from what it saw, and the test fails when the page is out of date. To
renew it: `RENEW_DOCS=1 make test ARGS=tests/unit/test_bad_input.py`. Files lie in `/data` here.

- An **error** ends the command with the exit code shown, and nothing is lost: fix the input and
  give the same command. In a pipeline the code is the failed task's, and the report names it.
  {codes}.
- A **quarantined** row lies with its reason in `quarantine-*.jsonl` beside the shards of `ingest`
  or `gold` in the store, of `judgeloop convert` in its folder's `quarantine.jsonl`, a row that a
  later stage could not use at the end of that stage's shard.
  The counts are in the stage's manifest and in the report.
- Judgements that hold no verdict are **undecided**, with a reason; they count as wrong and never
  train.
"""


def page(seen: Mapping[str, Outcome]) -> str:
    """Returns the page.

    Args:
        seen: What came of each case, by its name.
    """
    codes = {error.exit_code: error.__name__ for error in _tree(JudgeLoopError)}
    used = sorted({case.code for case in CASES if case.code})
    head = HEAD.format(
        cases=len(CASES),
        errors=sum(bool(case.code) for case in CASES),
        quarantined=sum(bool(case.reason) for case in CASES),
        undecided=sum(bool(case.undecided) for case in CASES),
        accepted=sum(case.accepted for case in CASES),
        codes=", ".join(f"{code} is `{codes[code]}`" for code in used),
    )
    parts = [head]
    for group, cases in groupby(CASES, key=lambda case: case.group):
        rows = [_row(case, seen[case.name]) for case in cases]
        table = "\n".join(["| input | outcome | message |", "| --- | --- | --- |", *rows])
        parts.append(f"## {group}\n{table}\n")
    return "\n".join(parts)


def _row(case: Case, outcome: Outcome) -> str:
    result = "accepted"
    if case.code:
        result = f"error {case.code}"
    elif case.reason or case.undecided:
        word = "quarantined" if case.reason else "undecided"
        result = f"{word}: `{case.reason or case.undecided}`"
    return f"| {case.what} | {result} | {_cell(outcome.message)} |"


def _cell(text: str) -> str:
    if len(text) > LONGEST:
        text = text[: LONGEST - 4] + " ..."
    for character, shown in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("*", "\\*")):
        text = text.replace(character, shown)
    return "<br>".join(text.split("\n"))


def _tree(kind: type[JudgeLoopError]) -> list[type[JudgeLoopError]]:
    """Returns an error and those below it, of two with one code the first."""
    found = [kind]
    for child in kind.__subclasses__():
        below = _tree(child)
        found = [*below, *found] if child.exit_code == kind.exit_code else [*found, *below]
    return found
