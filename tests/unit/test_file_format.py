"""Files of other formats than JSON lines are told by what they hold, and JSON lines are not."""

from pathlib import Path

import pytest

from judgeloop.batch.rows import read_rows as read_pairs
from judgeloop.data.convert.conversion import convert
from judgeloop.data.file_format import Rows, other_format, refuse_other_formats
from judgeloop.evaluation.benchmarks.files import read_rows as read_benchmark
from judgeloop.schema.errors import DataError
from tests.bad_input.formats import FORMATS, ROWS, TABLE, written
from tests.data_sets import png

LINES = {
    "rows": ROWS,
    "a byte order mark": b"\xef\xbb\xbf" + ROWS,
    "blank lines first": b"\n\n  " + ROWS,
    "a broken first line with commas": b"id,images,text\n" + ROWS,
    "only broken lines": b"nothing\nat all\n",
    "prose with commas": b"First, there is this.\nThen nothing follows.\n",
    "a torn last line": ROWS + b'{"id": "q2", "im',
    "commas in texts": b'{"id": "q0", "text": "a, b, c"}\n{"id": "q1", "text": "d"}\n',
    "one row": ROWS.split(b"\n")[0],
    "a NUL in a line": ROWS + b"\0\n",
    "nothing": b"",
}
RENAMED = {"a CSV file": ".csv", "a Parquet file": ".parquet", "a JSON array": ".json"}


@pytest.mark.parametrize("what", FORMATS)
@pytest.mark.parametrize("rows", Rows)
def test_another_format_is_refused_with_what_makes_it_json_lines(
    tmp_path: Path, what: str, rows: Rows
) -> None:
    path = written(tmp_path, "rows.jsonl", what)
    words = FORMATS[what][1]
    if rows is Rows.BENCHMARK and what in RENAMED:
        words = f"name it rows{RENAMED[what]}"
    with pytest.raises(DataError, match=words) as caught:
        refuse_other_formats(path, str(path), rows)
    said = str(caught.value)
    assert said.startswith(f"{path}: it is ")
    assert rows is Rows.QUESTIONS or "judgeloop convert" not in said
    assert not said.rstrip().endswith((";", ",", "then"))


@pytest.mark.parametrize("name", LINES)
def test_a_file_that_may_be_json_lines_is_left_to_its_reader(tmp_path: Path, name: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(LINES[name])
    assert other_format(path) is None


@pytest.mark.parametrize("what", FORMATS)
def test_pairs_and_benchmarks_of_another_format_are_refused_before_a_row_is_read(
    tmp_path: Path, what: str
) -> None:
    path = written(tmp_path, "rows.jsonl", what)
    for read in (lambda: list(read_pairs(path)), lambda: list(read_benchmark(path, []))):
        with pytest.raises(DataError, match=r"rows\.jsonl: it is "):
            read()


@pytest.mark.parametrize(("what", "ending"), RENAMED.items())
def test_a_benchmark_under_the_name_that_the_message_gives_is_read(
    tmp_path: Path, what: str, ending: str
) -> None:
    path = written(tmp_path, f"rows{ending}", what)
    assert [row["id"] for _, row in read_benchmark(path, [])] == ["q0", "q1"]


@pytest.mark.parametrize(
    ("name", "delimiter"), [("rows.csv", ","), ("rows.csv", ";"), ("rows.tsv", "\t")]
)
def test_a_table_is_converted_as_the_message_says(
    tmp_path: Path, name: str, delimiter: str
) -> None:
    for number in range(2):
        (tmp_path / f"{number}.png").write_bytes(png("red"))
    (tmp_path / name).write_text(TABLE.replace(",", delimiter), encoding="utf-8-sig")
    with pytest.raises(DataError, match=rf"`judgeloop convert {name} --out FOLDER` writes it"):
        refuse_other_formats(tmp_path / name, f"/data/{name}", Rows.QUESTIONS)
    found = convert(str(tmp_path / name), tmp_path / "out", {})
    assert (found.rows, found.questions) == (2, 2)


def test_rows_of_a_table_with_too_many_cells_are_counted_and_a_list_in_a_cell_is_read(
    tmp_path: Path,
) -> None:
    for number in range(2):
        (tmp_path / f"{number}.png").write_bytes(png("red"))
    table = 'id,images,text\n0012,"[""0.png"", ""1.png""]",Which?\nq1,1.png,caption,more\n'
    (tmp_path / "rows.csv").write_text(table)
    found = convert(str(tmp_path / "rows.csv"), tmp_path / "out", {})
    assert (found.questions, found.dropped) == (1, {"bad_record": 1})
    assert '"id":"0012"' in (tmp_path / "out/questions.jsonl").read_text()
