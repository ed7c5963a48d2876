"""Stages I and II on real pictures and questions, with a scripted engine in place of a model.

```
python -m benchmarks.real_questions ../shared/data
```

Each of the four sets, and one of them saved in the layout of LLaVA-OneVision, is converted,
ingested, made into pairs, judged and filtered. Images and questions are real; every answer comes
from `benchmarks.wordy_engine`, which does not look at images. So the yields show that the pipeline
handles real data and accounts for every row, but nothing about a model.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from unittest import mock

from benchmarks.wordy_engine import WordyEngine
from judgeloop.cli.table import table
from judgeloop.data.convert.conversion import Conversion, convert
from judgeloop.report.yields import Yield, read_yields
from judgeloop.runtime.redaction import hide_secrets
from judgeloop.runtime.stages.filter import filter_judgements
from judgeloop.runtime.stages.ingest import ingest
from judgeloop.runtime.stages.judge import judge
from judgeloop.runtime.stages.synthesize import synthesize
from judgeloop.schema.config import Config, load_config
from judgeloop.schema.records import Altered, ModelRef, Pair
from judgeloop.schema.results import Funnel
from judgeloop.store import FolderStore
from judgeloop.store.shards import read_records

SETS = ("photo_objects", "nlvr_mini", "charts", "photos")
SAVED = "photos, saved as LLaVA-OneVision"
COLUMNS = {"images": "image", "text": "question", "kind": "question_type"}
PRESET = Path(__file__).parent.parent / "pipelines/configs/qwen2.5-vl-7b.yaml"
CHANGES = (
    "model.base='scripted:'", "engine.kind=scripted", "training.kind=scripted",
    "loop.partitions=1", "data.count=null", "validation.share=0.1", "filtering.min_examples=1",
    # The scripted judge always gives the same reason.
    "filtering.reason_names_answer=false", "filtering.max_sentence_share=null",
    "filtering.max_similarity=null",
)  # fmt: skip


class Outcome(NamedTuple):
    """The outcome of one set."""

    name: str
    converted: Conversion
    left_out: dict[str, int]
    """Questions that ingest left out, by reason."""
    yields: list[Yield]
    length_ratio: float
    """Median ratio of the rejected to the chosen answer's length, of altered pairs."""
    funnel: Funnel


@contextlib.contextmanager
def played() -> Iterator[None]:
    """Makes the stages use the scripted engine."""
    engine = WordyEngine()

    @contextlib.contextmanager
    def start(*_: Any) -> Iterator[WordyEngine]:
        yield engine

    with mock.patch("judgeloop.runtime.stages.inference.lazy_engine", start):
        yield


def run(name: str, source: str, columns: dict[str, str], folder: Path) -> Outcome:
    """Runs the stages on a source."""
    converted = convert(source, folder / "questions", columns)
    place = f"data.questions={folder}/questions/questions.jsonl"
    config: Config = load_config(PRESET, [*CHANGES, place])
    store, model = FolderStore(folder / "store"), ModelRef(base="scripted:")
    questions = ingest(config, store)
    with played():
        pairs = synthesize(config, store, 1, 0, questions, model)
        judged = judge(config, store, 1, 0, pairs, model)
    funnel = filter_judgements(config, store, [pairs], [judged]).expect(Funnel)
    ratios = [
        math.log(len(pair.rejected) / len(pair.chosen))
        for pair in read_records(store, pairs, Pair)
        if isinstance(pair.origin, Altered)
    ]
    return Outcome(
        name=name,
        converted=converted,
        left_out=questions.dropped,
        yields=read_yields(pairs.counted.outcomes),
        length_ratio=math.exp(median(ratios)) if ratios else 1.0,
        funnel=funnel,
    )


def save_as_onevision(source: Path, folder: Path) -> None:
    """Saves a set's questions with the columns and types of LLaVA-OneVision."""
    from datasets import Dataset, Features, Image, Value, disable_progress_bars

    disable_progress_bars()
    rows = [
        {
            "id": row["id"],
            "image": {"bytes": (source / row["image"]).read_bytes(), "path": None},
            "conversations": [
                {"from": "human", "value": f"<image>\n{row['question']}"},
                {"from": "gpt", "value": row["reference_answer"]},
            ],
            "data_source": source.name,
        }
        for row in map(json.loads, (source / "qa.jsonl").read_text().splitlines())
    ]
    features = Features(
        {
            "id": Value("string"),
            "image": Image(),
            "conversations": [{"from": Value("string"), "value": Value("string")}],
            "data_source": Value("string"),
        }
    )
    Dataset.from_list(rows, features=features).save_to_disk(str(folder))


def main() -> None:
    """Prints the tables of docs/data.md."""
    hide_secrets("%(message)s", "WARNING")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as made:
        found = [
            run(name, str(folder / name / "qa.jsonl"), COLUMNS, Path(made) / name) for name in SETS
        ]
        saved = Path(made) / "saved_data_set"
        save_as_onevision(folder / "photos", saved)
        found.append(run(SAVED, str(saved), {}, Path(made) / "saved"))
    print("\n".join(described(found)))


def described(found: list[Outcome]) -> list[str]:
    """Returns the tables' lines."""
    header = (
        "set",
        "rows",
        "questions",
        "in training",
        "pairs",
        "kept",
        "examples",
        "length ratio",
        "no pair, by reason",
    )
    rows = [
        (
            one.name, str(one.converted.rows), str(one.converted.questions),
            str(sum(row.questions for row in one.yields)), str(one.funnel.pairs),
            str(one.funnel.kept), str(one.funnel.examples), f"{one.length_ratio:.3f}",
            no_pair(one),
        )
        for one in found
    ]  # fmt: skip
    lines = table(header, rows)
    for one in found:
        lines += ["", one.name, *map(_yield_line, one.yields)]
        lost = one.funnel
        lines.append(
            f"  judged: {lost.undecided} undecided, {lost.disagreeing} disagreeing, "
            f"{lost.one_order} right in one order, {lost.kept} kept"
        )
    return lines


def no_pair(one: Outcome) -> str:
    """Describes how many training questions gave no pair, by reason, the most frequent first."""
    reasons = Counter[str]()
    for row in one.yields:
        reasons.update(row.reasons)
    ordered = sorted(reasons.items(), key=lambda each: (-each[1], each[0]))
    return ", ".join(f"{count} {reason}" for reason, count in ordered)


def _yield_line(row: Yield) -> str:
    reasons = ", ".join(f"{count} {reason}" for reason, count in row.reasons.items())
    return f"  {row.tried}: {row.pairs} of {row.questions}" + (f" ({reasons})" if reasons else "")


if __name__ == "__main__":
    main()
