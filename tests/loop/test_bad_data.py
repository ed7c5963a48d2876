"""A whole run on data that nobody cleaned: it ends well, and its report counts what it left out."""

import json
from pathlib import Path

import pytest

from judgeloop.report.this_run import REASONS
from judgeloop.runtime.stages.gold import WORLD_SEED
from judgeloop.schema.results import Scores
from judgeloop.tiny.dataset import write_gold, write_questions
from tests.loop.micro import run_micro

TIMEOUT_S = 300


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_run_goes_on_without_the_bad_rows_and_its_report_counts_them(tmp_path: Path) -> None:
    questions = write_questions(tmp_path / "questions", 60, 0)
    gold = write_gold(tmp_path / "gold", 20, WORLD_SEED)
    asked = json.loads(questions.read_text().splitlines()[0])
    (questions.parent / "page.png").write_text("<html>")
    with questions.open("a") as file:
        file.write('{"id": \n')
        for number, image in enumerate(("page.png", "../secret.png", "none.png")):
            file.write(json.dumps(asked | {"id": f"bad{number}", "images": [image]}) + "\n")
    pair = json.loads(gold.read_text().splitlines()[0])
    with gold.open("a") as file:
        file.write(json.dumps(pair) + "\n" + json.dumps(pair | {"id": "x", "chosen": ""}) + "\n")
    run = run_micro(
        tmp_path / "run", f"data.questions={questions}", "data.count=null", "loop.iterations=1",
        f"evaluation.gold={gold}", "evaluation.count=null", timeout_s=TIMEOUT_S,
    )  # fmt: skip
    assert run.exit_code == 0, run.printed
    counts = run.manifest("000-ingest").counts
    assert counts["inputs"] == 64
    assert counts["rows"] == 60
    assert (counts["dropped/bad_image"], counts["dropped/bad_record"]) == (3, 1)
    evaluated = run.manifest("001-evaluate").expect(Scores)
    assert evaluated.dropped == {"bad_text": 1, "duplicate_id": 1}
    assert evaluated.card.n == 20
    left_out = run.report.partition("Bad rows are quarantined")[2]
    for stage, reason, count in (("ingest", "bad_image", 3), ("ingest", "bad_record", 1),
                                 ("gold", "duplicate_id", 1)):  # fmt: skip
        cells = (reason.replace("_", " "), f'{REASONS[reason]}</td><td class="number">{count}')
        assert f"{stage}</th><td>{'</td><td>'.join(cells)}<" in left_out
