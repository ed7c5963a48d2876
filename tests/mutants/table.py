"""The results of all mutants: one row of a Markdown table for each module."""

from collections import Counter
from collections.abc import Sequence

from mutmut.mutation.data import SourceFileMutationData
from mutmut.stats import status_by_exit_code

from tests.mutants.explained import Explained

COLUMNS = ("killed", "timeout", "equivalent", "held", "survived", "no tests")


def print_table(files: Sequence[SourceFileMutationData]) -> None:
    """Print what is known of the mutants of each file, and the explanations that are stale."""
    explained = Explained(files)
    print(f"| module | mutants | run | {' | '.join(COLUMNS)} |")
    print("| --- |" + " --- |" * (2 + len(COLUMNS)))
    total: Counter[str] = Counter()
    for data in files:
        counts = count(data, explained)
        total += counts
        print_row(str(data.path), counts)
    print_row("all", total)
    for function in explained.stale:
        print(f"stale: {function} is explained, but its text has changed")


def count(data: SourceFileMutationData, explained: Explained) -> Counter[str]:
    """Count the mutants of a file by their result; what is explained has not survived."""
    counts: Counter[str] = Counter()
    for mutant, code in data.exit_code_by_key.items():
        status = status_by_exit_code[code]
        if status in ("survived", "no tests"):
            status = explained.kinds.get(mutant, status)
        counts[status] += 1
    return counts | Counter(mutants=counts.total(), run=counts.total() - counts["not checked"])


def print_row(name: str, counts: Counter[str]) -> None:
    """Print one line of the table."""
    cells = [name, *(f"{counts[column]:,}" for column in ("mutants", "run", *COLUMNS))]
    print(f"| {' | '.join(cells)} |", flush=True)
