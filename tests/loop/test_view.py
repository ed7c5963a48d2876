"""The folder of `judgeloop view` as a browser shows it: headless Chromium, no network."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from judgeloop.cli.main import main
from judgeloop.data.images import SourceImages
from judgeloop.data.rows import read_gold
from judgeloop.data.source import open_source
from judgeloop.method.filtering.funnel import FURTHER
from judgeloop.report.view.folder import page, write_view
from judgeloop.report.view.rows import Row, Shown, read_rows, read_settings
from judgeloop.runtime.ledger import Entry
from judgeloop.schema.records import (
    Altered,
    Choice,
    Judgement,
    Kind,
    Manifest,
    Order,
    Pair,
    Question,
    Verdict,
)
from judgeloop.store.shards import Work, write_shards
from tests.history_fixture import HOSTILE, ITEMS, SampleLoop
from tests.loop.test_report_page import FLAGS

HOSTILES = (HOSTILE, "</script><img src=x onerror=document.title='hit'>", "<!-- <script>", "\u2028")
Look = Callable[..., str]


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> SampleLoop:
    return SampleLoop(tmp_path_factory.mktemp("store")).whole()


@pytest.fixture(scope="module")
def folder(loop: SampleLoop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("view")
    assert main(["view", loop.store.uri, "--loop", "sample", "--out", str(out)]) == 0
    return out


@pytest.fixture
def look(needs_chromium: str, tmp_path: Path) -> Look:
    """Opens a page, does what a person would, and returns the page's text after it."""

    def show(index: Path, *steps: str, arguments: tuple[str, ...] = ("--dump-dom",)) -> str:
        text = index.read_text()
        if steps:  # the page's policy lets no other script run, so it is taken away for the test
            text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
            doing = "".join(f"{step};\n" for step in steps)
            press = "const press = (key) => document.dispatchEvent(new KeyboardEvent('keydown', "
            press += "{key, bubbles: true}));\n"
            text = text.replace("</body>", f"<script>{press}{doing}</script></body>")
        planted = index.with_name("looked-at.html")
        planted.write_text(text)
        profile = f"--user-data-dir={tmp_path}/profile"
        done = subprocess.run(
            [needs_chromium, *FLAGS, profile, *arguments, planted.as_uri()],
            check=True, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        return done.stdout

    return show


def shown(dom: str, name: str) -> str:
    found = re.search(rf'id="{name}"[^>]*>(.*?)</', dom, re.DOTALL)
    assert found
    return found.group(1)


def test_rows_have_both_orders_the_outcome_and_the_base_s_verdicts(loop: SampleLoop) -> None:
    rows = list(read_rows(read_settings(loop.ledger), loop.ledger))
    assert [row.group for row in rows] == ["gold pairs"] * ITEMS + ["held-out pairs"] * ITEMS
    assert all(len(row.judged) == len(row.base) == 2 for row in rows)
    row = next(row for row in rows[ITEMS + 1 :] if row.right)
    assert [one.verdict for one in row.judged] == ["says A", "says B"]
    assert (row.base_right, row.changed, row.outcome) == (False, True, "right in both orders")
    assert ("red", True) in row.chosen
    assert row.origin == "planted error (colour): red -> blue"
    wrong = {row.outcome for row in rows if not row.right}
    assert wrong == {"the same position in both orders", "undecided in an order"}


def train_on(
    folder: Path, says: dict[str, tuple[tuple[Choice, Choice], str]], *changes: str
) -> SampleLoop:
    """Records an iteration whose judge says of each pair two verdicts and a reason."""
    loop = SampleLoop(folder, *changes)
    asked = Question(id="q", images=("aa",), text="caption", kind=Kind.CAPTION)
    pairs = [
        Pair(id=name, question=asked, chosen="red circle", rejected="blue circle",
             origin=Altered(error="colour", place="red -> blue"))
        for name in says
    ]  # fmt: skip
    judgements = [
        Judgement(pair_id=name, order=order, sample=0, text=f"{why} {choice.value}",
                  finish_reason="stop", tokens=1,
                  verdict=Verdict(choice=choice,
                                  reason="truncated" if choice is Choice.UNDECIDED else None))
        for name, (choices, why) in says.items()
        for order, choice in zip(Order, choices, strict=True)
    ]  # fmt: skip
    made = Manifest(stage="synthesize", stage_version=1, key="s", partition=0)
    made = write_shards(loop.store, made, [pairs], lambda batch: Work(batch))
    judged = Manifest(stage="judge", stage_version=1, key="j", partition=0, inputs=("s",))
    judged = write_shards(loop.store, judged, [judgements], lambda batch: Work(batch))
    for manifest in (made, judged):
        loop.ledger.record(Entry(stage=manifest.stage, iteration=1, manifest=manifest))
    return loop


RIGHT = (Choice.A, Choice.B)


def test_pairs_to_train_on_say_why_they_were_kept_or_dropped(tmp_path: Path) -> None:
    says = {
        "p0": (RIGHT, "because"),
        "p1": ((Choice.A, Choice.A), "because"),
        "p2": ((Choice.A, Choice.UNDECIDED), "because"),
    }
    loop = train_on(tmp_path, says)
    rows = list(read_rows(read_settings(loop.ledger), loop.ledger))
    assert {row.group for row in rows} == {"training pairs of iteration 1"}
    assert [row.right for row in rows] == [True, False, False]
    assert [row.outcome for row in rows] == [
        "kept", "dropped: right in one order only, so position decided",
        "dropped: no sample has a verdict in both orders",
    ]  # fmt: skip
    assert rows[0].rejected[0] == ("blue", True)
    assert rows[0].base == ()


def test_what_filters_of_traces_and_limits_leave_out_is_told_and_can_be_chosen(
    tmp_path: Path, look: Look
) -> None:
    says = {
        "p0": (RIGHT, "the red circle is there"),
        "p1": (RIGHT, "the red circle is there"),
        "p2": (RIGHT, "yes"),
        "p3": (RIGHT, "nobody can see what else it would be"),
        "p4": (RIGHT, "a circle of red colour stands alone in this picture"),
    }
    loop = train_on(
        tmp_path / "store", says, "filtering.reason_words=3", "filtering.reason_names_answer=true",
        "filtering.max_similarity=0.9", "filtering.max_examples=2",
    )  # fmt: skip
    rows = list(read_rows(read_settings(loop.ledger), loop.ledger))
    outcomes = {row.id: row.outcome for row in rows}
    assert outcomes["p1"] == f"dropped: {FURTHER['near_duplicate']}"
    assert outcomes["p2"] == f"dropped: {FURTHER['no_reason']}"
    assert outcomes["p3"] == f"dropped: {FURTHER['names_nothing']}"
    written = write_view(rows, loop.images, tmp_path / "view", "many")
    dom = look(
        written.page, "const why = document.getElementById('why')",
        "why.value = [...why.options].find((one) => one.text.includes('too short')).value",
        "why.dispatchEvent(new Event('change'))",
    )  # fmt: skip
    assert shown(dom, "count") == "1 of 5 pairs"


def test_the_first_thing_shown_is_what_changed_since_the_base(folder: Path, look: Look) -> None:
    dom = look(folder / "index.html")
    rows = json.loads(re.search(r'id="data">(.*?)</script>', dom, re.DOTALL).group(1))["rows"]
    changed = [row for row in rows if row["changed"]]
    assert 0 < len(changed) < len(rows) == 2 * ITEMS
    assert shown(dom, "count") == f"{len(changed)} of {len(rows)} pairs"
    assert "The base: not right in both orders; the verdict has changed" in dom
    assert dom.count('class="line') < 40  # of a long list the visible lines alone


def test_texts_of_models_are_inert(folder: Path, look: Look) -> None:
    dom = look(
        folder / "index.html",
        "document.getElementById('filter').value = 'all'",
        "document.getElementById('filter').dispatchEvent(new Event('change'))",
    )
    assert HOSTILE.replace("<", "&lt;").replace(">", "&gt;") in dom
    assert "<script>alert" not in dom
    row = Row(group="g", id="i", images=(), question=HOSTILES[1], kind="caption", category="c",
              choices=HOSTILES, chosen=((HOSTILES[1], True),), rejected=((HOSTILES[2], False),),
              origin="o", outcome="x", right=False, judged=(), changed=True)  # fmt: skip
    text = page([msgspec.to_builtins(row)], HOSTILES[1])
    assert text.count("<script") == text.count("</script>") == 2
    index = folder / "hostile.html"
    index.write_text(text)
    assert "<title>hit</title>" not in look(index)


def test_a_person_goes_through_pairs_by_keys_marks_them_and_exports_gold_pairs(
    folder: Path, look: Look, loop: SampleLoop
) -> None:
    dom = look(
        folder / "index.html",
        "localStorage.clear()", "press('f'); press('f'); press('f'); press('f'); press('f')",
        "press('f')", "press('u'); press('j'); press('d'); press('j'); press('k')",
        "const note = document.getElementById('note'); note.value = 'so-so'",
        "note.dispatchEvent(new Event('input'))",
        "document.body.dataset.gold = window.judgeloopView.gold()",
    )  # fmt: skip
    gold = re.search(r'data-gold="(.*?)"', dom, re.DOTALL).group(1)
    for escaped, char in (("&quot;", '"'), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        gold = gold.replace(escaped, char)
    rows: list[dict[str, Any]] = [json.loads(line) for line in gold.splitlines()]
    assert [row["meta"]["marked"] for row in rows] == ["up", "down"]
    assert rows[1]["meta"]["note"] == "so-so"
    assert rows[1]["chosen"] == "blue circle north"  # the other one is better
    path = folder / "gold.jsonl"
    path.write_text(gold)
    with open_source(str(path), lambda _: folder) as source:
        images = SourceImages(source.folder, (name for row in rows for name in row["images"]))
        images.scan()
        pairs = list(read_gold(source, images, None))
    assert [type(pair) for pair in pairs] == [Pair, Pair]


def test_pictures_are_shown_and_nothing_is_asked_of_a_network(folder: Path, look: Look) -> None:
    dom = look(
        folder / "index.html",
        "const image = document.querySelector('img')",
        "document.body.dataset.src = image.src",
    )
    assert re.search(r'data-src="file:[^"]*/images/[0-9a-f]{64}\.png"', dom)
    log = folder / "network.json"
    look(folder / "index.html", arguments=(f"--log-net-log={log}", "--dump-dom"))
    asked = {
        event.get("params", {}).get("url", "") for event in json.loads(log.read_text())["events"]
    }
    assert not [url for url in asked if "invalid" in url]


@pytest.mark.slow
def test_ten_thousand_pairs_are_there_in_a_moment(
    tmp_path: Path, look: Look, loop: SampleLoop
) -> None:
    judged = tuple(
        Shown(
            order=f"better answer as {side}", verdict=f"says {side}", right=True, text="why " * 100
        )
        for side in "AB"
    )
    rows = (
        Row(group="gold pairs", id=f"i{number}", images=(), question=f"question {number}",
            kind="caption", category="colour", choices=(), chosen=(("red", True),),
            rejected=(("blue", True),), origin="gold label", outcome="right in both orders",
            right=True, judged=judged, base=judged, base_right=False, changed=number % 2 == 0)
        for number in range(10_000)
    )  # fmt: skip
    written = write_view(rows, loop.images, tmp_path / "view", "many")
    assert written.rows == 10_000
    dom = look(
        written.page, "const before = performance.now(); press('f'); press('j'); press('End')",
        "const search = document.getElementById('search'); search.value = '9999'",
        "search.dispatchEvent(new Event('input'))",
        "document.body.dataset.took = Math.round(performance.now() - before)",
        "document.body.dataset.ready = Math.round(performance.timeOrigin ? performance.now() : 0)",
    )  # fmt: skip
    took, ready = (
        int(re.search(rf'data-{name}="(\d+)"', dom).group(1)) for name in ("took", "ready")
    )
    assert took < 1000, took
    assert ready < 5000, ready
    assert shown(dom, "count").endswith(" of 10000 pairs")
