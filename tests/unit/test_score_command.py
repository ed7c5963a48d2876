"""`judgeloop score`: what it prints and how it fails."""

import json
from pathlib import Path

import pytest

from judgeloop.cli.main import main
from judgeloop.cli.score import NAMES, SHOWN_FAULTS
from judgeloop.evaluation.benchmarks import BENCHMARKS
from tests.benchmark_rows import better, vl_output, vl_row, write_lines


def made(folder: Path, wrong: int = 0) -> list[str]:
    rows = [vl_row(number) for number in range(4)]
    write_lines(folder / "data.jsonl", rows)
    outputs = [vl_output(row, better(1), swapped) for row in rows for swapped in (0, 1)]
    outputs += [vl_output(vl_row(99), better(1))] * wrong
    file = write_lines(folder / "outputs.jsonl", outputs)
    return ["score", "--benchmark", "vl-rewardbench", "--data", str(folder), "--outputs", str(file)]


def test_the_command_knows_every_benchmark() -> None:
    assert set(NAMES) == set(BENCHMARKS)


def test_json_is_one_object_with_every_figure_and_the_datas_hash(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*made(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"official", "strict", "maps"} <= found.keys()
    assert found["official"]["items"] == 4
    assert found["strict"]["accuracy"] == 0.5
    assert set(found["maps"]) == {"r1_reward", "unified_reward"}
    assert found["maps"]["r1_reward"]["sizes"]["general"] == 4
    assert len(found["data"]["files"]["data.jsonl"]) == 64


def test_text_begins_with_the_official_lines_and_ends_with_the_faults(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(made(tmp_path, wrong=SHOWN_FAULTS + 5)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "k=1 ----------------"
    assert "strict: 0.0000 right in both orders" in "\n".join(lines)
    assert any(line.startswith("faults: 3 empty_group, 25 unknown_item") for line in lines)
    assert lines[-1] == "  ... and 8 more (all of them by --json)"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing", None, "no such file or folder"),
        ("data.txt", "x", "not a file of rows"),
        ("data.jsonl", "", "no usable row"),
        ("test.parquet", "PAR1", "not a Parquet file"),
    ],
)
def test_data_that_cannot_be_used_is_an_error_that_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: str | None, words: str
) -> None:
    arguments = made(tmp_path)
    place = tmp_path / "other" / name
    place.parent.mkdir()
    if content is not None:
        place.write_text(content)
    arguments[arguments.index("--data") + 1] = str(place)
    assert main(arguments) == 3
    assert words in capsys.readouterr().err


def test_lines_that_are_no_json_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = made(tmp_path)
    with (tmp_path / "outputs.jsonl").open("ab") as file:
        file.write(b'{"half\n\xff\xfe\n[1]\n\n')
    assert main([*arguments, "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)["fault_counts"]
    assert (counts["not_json"], counts["not_an_object"]) == (2, 1)
