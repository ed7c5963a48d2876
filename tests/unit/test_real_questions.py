"""Real pictures and questions go through stages I and II, and every row is accounted for."""

from pathlib import Path

import pytest

from benchmarks.real_questions import COLUMNS, SAVED, no_pair, run, save_as_onevision
from judgeloop.report.contact_sheet import PAIRS
from judgeloop.store import FolderStore
from tests.conftest import REPOSITORY

PHOTOS = REPOSITORY.parent / "shared" / "data" / "photos"
needs_photos = pytest.mark.skipif(not PHOTOS.is_dir(), reason=f"{PHOTOS} is not here")


@needs_photos
@pytest.mark.parametrize("layout", ["columns", "onevision"])
def test_photographs_become_judged_pairs_in_either_layout(layout: str, tmp_path: Path) -> None:
    source, columns = str(PHOTOS / "qa.jsonl"), COLUMNS
    if layout == "onevision":
        save_as_onevision(PHOTOS, tmp_path / "saved")
        source, columns = str(tmp_path / "saved"), {}
    found = run(layout, source, columns, tmp_path)
    assert found.converted.rows == found.converted.questions == 50
    assert found.left_out == {}
    asked = sum(row.questions for row in found.yields)
    assert 0 < asked < 50  # some images are held out
    assert all(row.questions == row.pairs + sum(row.reasons.values()) for row in found.yields)
    assert sum(row.pairs for row in found.yields) == found.funnel.pairs
    lost = found.funnel.undecided + found.funnel.disagreeing + found.funnel.one_order
    lost += sum(found.funnel.further.values())
    assert found.funnel.pairs == lost + found.funnel.kept
    assert found.funnel.examples == 2 * found.funnel.kept > 0
    assert 0.98 < found.length_ratio < 1.02
    name = SAVED if layout == "onevision" else "photos"
    figures = (50, 50, asked, found.funnel.pairs, found.funnel.kept, found.funnel.examples)
    row = f"| {name} | {' | '.join(map(str, figures))} | {found.length_ratio:.3f} "
    assert f"{row}| {no_pair(found)} |" in (REPOSITORY / "docs/data.md").read_text(encoding="utf-8")
    store = FolderStore(tmp_path / "store")
    (sheet,) = [name for name in store.list("synthesize") if name.endswith("contact_sheet.html")]
    assert store.read(sheet).count(b"<article>") == PAIRS
