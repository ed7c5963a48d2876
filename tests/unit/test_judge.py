"""A judge from Python and over a file: both orders, any picture, resumable, summed up."""

import base64
import fcntl
import io
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image

import judgeloop
from judgeloop import AnswerPair, Judge, PairJudgement
from judgeloop.batch import run as batch
from judgeloop.batch.run import BatchSettings, judge_file
from judgeloop.batch.summary import Summary
from judgeloop.cli.main import main
from judgeloop.engines.scripted_model import Sight
from judgeloop.judge import image_bytes
from judgeloop.method.judging.comparison import OneJudgement, Side, _won
from judgeloop.models.judge import find_judge, judge_version
from judgeloop.schema.errors import ConfigError, DataError, JudgeLoopError
from judgeloop.schema.keys import content_key
from judgeloop.store import FolderStore, folder_checksums
from judgeloop.store.images import ImageLibrary

FAIR = "scripted:skill=1,first_bias=0"
BIASED = "scripted:skill=0,first_bias=1"
QUESTION = "What colour is it?"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "red.png"
    Image.new("RGB", (8, 8), "red").save(path)
    return path


def right_and_wrong(picture: Path, folder: Path) -> tuple[str, str]:
    """The answer that a skilled scripted judge prefers for this picture, and another."""
    name = ImageLibrary(FolderStore(folder / "probe"), 100).add(picture.read_bytes())
    right = Sight((name,), QUESTION).best(["red", "blue"])
    return right, "blue" if right == "red" else "red"


def load(name: str) -> Judge:
    return Judge.load(name, prompts="tiny")


def test_a_skilled_judge_names_the_better_answer_wherever_it_stands(
    picture: Path, tmp_path: Path
) -> None:
    right, wrong = right_and_wrong(picture, tmp_path)
    with load(FAIR) as judge:
        first = judge.judge(QUESTION, [picture], right, wrong)
        second = judge.judge(QUESTION, [picture], wrong, right)
    assert (first.winner, first.confidence, second.winner) == ("a", 1.0, "b")
    assert first.judge == judge.version
    assert [one.shown_first for one in first.judgements] == ["a", "b"]


def test_a_judge_that_always_says_the_first_decides_nothing(picture: Path) -> None:
    with load(BIASED) as judge:
        result = judge.judge(QUESTION, [picture], "red", "blue", samples=3, temperature=1.0)
    assert (result.winner, result.reason, result.confidence) == (None, "orders_disagree", None)
    assert len(result.judgements) == 6


def test_many_pairs_give_what_each_gives_alone(picture: Path) -> None:
    pairs = [
        AnswerPair(id=str(n), question=QUESTION, images=[picture], a="red", b=f"blue {n}")
        for n in range(5)
    ]
    with load(FAIR) as judge:
        together = judge.judge_many(pairs)
        alone = [judge.judge_many([pair])[0] for pair in pairs]
        assert judge.judge_many([]) == []
    assert together == alone
    assert [result.id for result in together] == list("01234")


def test_a_picture_is_a_path_bytes_a_data_uri_or_an_image(picture: Path) -> None:
    data = picture.read_bytes()
    uri = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    for form in (picture, str(picture), data, uri):
        assert image_bytes(form)[0] == data
    decoded = Image.open(io.BytesIO(image_bytes(Image.open(picture))[0]))
    assert decoded.getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("http://example.org/a.png", "not fetched"),
        ("s3://bucket/a.png", "not fetched"),
        ("none.png", "none.png: cannot be read"),
        ("data:image/png,abc", "only base64"),
        ("data:image/png;base64,***", "not base64"),
        ("nul\0.png", "cannot be read"),
    ],
)
def test_a_picture_that_cannot_be_read_is_named(form: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        image_bytes(form)


def test_what_is_no_image_is_an_error_of_the_call_and_the_judge_goes_on(picture: Path) -> None:
    with load(FAIR) as judge:
        with pytest.raises(DataError, match="image \\(bytes\\)"):
            judge.judge(QUESTION, [b"no image"], "red", "blue")
        assert judge.judge(QUESTION, [picture], "red", "blue").judgements


def test_an_unknown_engine_and_a_base_beside_itself_are_refused(picture: Path) -> None:
    with pytest.raises(ConfigError, match="engine 'llama'"):
        Judge.load(FAIR, engine="llama")
    with load(FAIR) as judge, pytest.raises(ConfigError, match="nothing to compare"):
        judge.judge(QUESTION, [picture], "red", "blue", beside_base=True)


def one(first: Side, winner: Side | None, reason: str | None = None) -> OneJudgement:
    return OneJudgement(shown_first=first, winner=winner, reason=reason, text="")


@pytest.mark.parametrize(
    ("judgements", "winner", "reason"),
    [
        ([one("a", "a"), one("b", "a")], "a", None),
        ([one("a", "b"), one("b", "b")], "b", None),
        ([one("a", "a"), one("b", "b")], None, "orders_disagree"),
        ([one("a", None, "truncated"), one("b", "a")], None, "truncated"),
        ([one("a", None, "truncated"), one("b", None, "empty")], None, "truncated"),
        ([one("a", "a"), one("a", "b"), one("b", "a"), one("b", "a")], None, "samples_disagree"),
        ([one("a", "a"), one("a", "a"), one("a", "b"), *[one("b", "a")] * 3], "a", None),
        ([one("a", "a"), one("a", None, "empty"), *[one("b", "a")] * 2], None, "empty"),
    ],
)
def test_a_side_wins_where_more_than_half_of_each_order_names_it(
    judgements: list[OneJudgement], winner: str | None, reason: str | None
) -> None:
    assert _won(judgements) == (winner, reason)


def rows(picture: Path, tmp_path: Path, n: int) -> list[dict[str, Any]]:
    right, wrong = right_and_wrong(picture, tmp_path)
    shared = {"images": [picture.name], "question": QUESTION}
    return [
        {"id": f"p{i}", **shared, "chosen": right, "rejected": wrong}
        if i % 2
        else {"id": f"p{i}", **shared, "a": wrong, "b": right, "label": "b", "extra": 1}
        for i in range(n)
    ]


def write(tmp_path: Path, lines: list[Any]) -> Path:
    file = tmp_path / "pairs.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    file.write_text("\n".join(texts) + "\n")
    return file


def judged(file: Path, out: Path, name: str = FAIR, **more: Any) -> Summary:
    return judge_file(file, out, BatchSettings(judge=name, prompts="tiny", **more))


def test_a_file_is_judged_and_bad_rows_are_put_aside_with_reasons(
    picture: Path, tmp_path: Path
) -> None:
    good = rows(picture, tmp_path, 4)
    bad = [
        "no JSON",
        {**good[0], "id": "p0"},
        {"id": "x", "images": [picture.name], "question": QUESTION, "a": "red"},
        {**good[1], "id": "y", "images": ["gone.png"]},
        {**good[1], "id": "z", "images": ["../red.png"]},
        {**good[1], "id": "absolute", "images": [str(picture)]},
        {**good[1], "id": "text", "images": ["rows.txt"]},
    ]
    (tmp_path / "rows.txt").write_text("no image")
    out = tmp_path / "out.jsonl"
    found = judged(write(tmp_path, [*good, *bad]), out)
    assert (found.n, found.labelled, found.agreement) == (4, 4, 1.0)
    assert found.winners == {"a": 2, "b": 2}
    assert found.first_shown_rate == 0.5
    assert found.dropped == {"bad_id": 1, "bad_image": 4, "bad_record": 1, "incomplete": 1}
    lines = [
        msgspec.json.decode(line, type=PairJudgement)
        for line in out.read_bytes().split(b"\n")
        if line
    ]
    assert [line.id for line in lines] == ["p0", "p1", "p2", "p3"]
    assert [line.label for line in lines] == ["b", "a", "b", "a"]
    assert {line.base for line in lines} == {None}  # nobody asked it
    dropped = (tmp_path / "out.jsonl.dropped.jsonl").read_bytes().splitlines()
    said = {each["id"]: each["detail"] for each in map(msgspec.json.decode, dropped)}
    assert len(said) == 7
    assert said["y"].startswith(f"there is no image 'gone.png' in {tmp_path}")
    for name, path in (("z", "../red.png"), ("absolute", str(picture))):
        assert said[name].startswith(f"image {path!r}: it must be a relative path")
        assert said[name].endswith("rows name images relative to their file")
    assert said["text"].startswith("image 'rows.txt': not an image")
    assert not (tmp_path / "out.jsonl.work").exists()


def test_a_biased_judge_shows_in_the_summary(picture: Path, tmp_path: Path) -> None:
    found = judged(write(tmp_path, rows(picture, tmp_path, 3)), tmp_path / "out.jsonl", BIASED)
    assert (found.first_shown_rate, found.agreement) == (1.0, 0.0)
    assert found.undecided == {"orders_disagree": 3}


def test_a_stopped_batch_goes_on_after_the_last_stored_shard(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "SHARD_ROWS", 2)
    file = write(tmp_path, rows(picture, tmp_path, 7))
    whole = tmp_path / "whole.jsonl"
    judged(file, whole)
    out = tmp_path / "out.jsonl"
    settings = BatchSettings(judge=FAIR, prompts="tiny")

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge_file(file, out, settings, stop)
    assert not out.exists()
    stored = {
        path: path.stat().st_mtime_ns for path in (tmp_path / "out.jsonl.work").rglob("0*.jsonl")
    }
    assert stored
    written: list[int] = []
    again = {}

    def look(number: int) -> None:
        written.append(number)
        again.update({path: path.stat().st_mtime_ns for path in stored})

    judge_file(file, out, settings, look)
    assert again == stored
    assert sum(written) == 7
    assert out.read_bytes() == whole.read_bytes()


def test_a_file_that_is_there_is_not_overwritten(picture: Path, tmp_path: Path) -> None:
    file = write(tmp_path, rows(picture, tmp_path, 1))
    out = tmp_path / "out.jsonl"
    out.write_text("mine")
    with pytest.raises(ConfigError, match="already exists"):
        judged(file, out)
    assert out.read_text() == "mine"


def test_a_file_that_another_process_writes_is_refused_and_its_work_stays(
    picture: Path, tmp_path: Path
) -> None:
    file, out = write(tmp_path, rows(picture, tmp_path, 1)), tmp_path / "out.jsonl"
    work = tmp_path / "out.jsonl.work"
    work.mkdir()
    other = os.open(work, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(ConfigError, match="another process is writing it"):
        judged(file, out)
    assert work.is_dir()
    os.close(other)
    judged(file, out)
    assert out.is_file()
    assert not work.exists()


@pytest.mark.parametrize("lines", [[], ["no JSON"]])
def test_a_file_without_a_usable_row_is_an_error(lines: list[str], tmp_path: Path) -> None:
    with pytest.raises(JudgeLoopError, match="no row could be judged"):
        judged(write(tmp_path, lines), tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()


def test_the_command_prints_the_summary(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, rows(picture, tmp_path, 2))
    asked = ["judge", str(file), "--judge", FAIR, "--prompts", "tiny", "--out"]
    assert main([*asked, str(tmp_path / "one.jsonl"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["agreement"] == 1.0
    assert main([*asked, str(tmp_path / "two.jsonl")]) == 0
    assert "agreement 1.0" in capsys.readouterr().out
    assert main(["judge", "none.jsonl", *asked[2:], str(tmp_path / "three.jsonl")]) == 2
    assert "none.jsonl: cannot be read (No such file or directory)" in capsys.readouterr().err


def test_the_package_offers_what_it_names() -> None:
    assert all(getattr(judgeloop, name) for name in judgeloop.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        judgeloop.nothing  # noqa: B018


def test_an_adapter_s_folder_is_known_by_the_hash_by_which_servers_name_it(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "builtin:tiny-vlm"}')
    (tmp_path / "adapter_model.safetensors").write_bytes(b"weights")
    found = find_judge(str(tmp_path), tmp_path)
    assert found.model.adapter_sha256 == content_key(folder_checksums(tmp_path))
    assert judge_version("mine", found).adapter_sha256 == found.model.adapter_sha256


def test_a_file_that_cannot_be_read_is_told_before_the_judge_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "find_judge", lambda *a: pytest.fail("it was fetched"))
    settings = BatchSettings(judge="models:/judge@champion")
    with pytest.raises(ConfigError, match=r"none\.jsonl: cannot be read"):
        judge_file(tmp_path / "none.jsonl", tmp_path / "out.jsonl", settings)
    assert list(tmp_path.iterdir()) == []
