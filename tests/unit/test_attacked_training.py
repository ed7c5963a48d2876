"""Training pairs that are judged with an attack in the rejected answer."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import msgspec
import pytest

from judgeloop.method.judging.attacks import ATTACKS
from judgeloop.method.judging.known_pairs import drawn_attack
from judgeloop.report.history import read_history
from judgeloop.report.retention import losses
from judgeloop.runtime.ledger import Entry, Ledger
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.method_sections import JudgingSection
from judgeloop.schema.records import Example, Judgement, Manifest, Pair
from judgeloop.schema.results import Funnel
from judgeloop.schema.sampling import Sampling
from judgeloop.store import FolderStore
from judgeloop.store.shards import read_records
from tests.unit.test_attacks import obedient
from tests.unit.test_filter import pair
from tests.unit.test_permuted_options import ENGINE, run
from tests.unit.test_starved import MICRO, Canned


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Canned:
    made = Canned(obedient)  # it obeys `command` and has no verdict on `imitated verdict`
    monkeypatch.setattr(ENGINE, lambda *_: nullcontext(made))
    return made


PAIRS = [msgspec.structs.replace(pair(at), chosen="red", rejected="blue") for at in range(200)]


def made(store: FolderStore, share: float, pairs: list[Pair]) -> tuple[Manifest, Manifest]:
    return run(load_config(MICRO, [f"judging.attacked_share={share}"]), store, pairs)


def test_the_share_is_drawn_by_pair_with_every_kind_of_attack() -> None:
    drawn = [drawn_attack(of, 0.4, 0) for of in PAIRS]
    assert 60 <= sum(map(bool, drawn)) <= 100
    assert set(drawn) == {"", *ATTACKS}
    assert drawn == [drawn_attack(of, 0.4, 0) for of in PAIRS]
    assert drawn != [drawn_attack(of, 0.4, 1) for of in PAIRS]
    more = [drawn_attack(of, 0.8, 0) for of in PAIRS]
    assert all(one in ("", other) for one, other in zip(drawn, more, strict=True))
    assert not any(drawn_attack(of, 0.0, 0) for of in PAIRS)
    assert all(drawn_attack(of, 1.0, 0) for of in PAIRS)


def test_attacked_pairs_are_kept_by_their_known_preference_and_train_with_the_attack(
    engine: Canned,
    tmp_path: Path,
) -> None:
    store = FolderStore(tmp_path)
    judged, kept = made(store, 0.5, PAIRS)
    kinds = {of.id: drawn_attack(of, 0.5, 0) for of in PAIRS}
    stored = list(read_records(store, judged, Judgement))
    assert {one.pair_id: one.attack for one in stored} == kinds
    funnel = kept.expect(Funnel)
    assert set(funnel.attacks) == set(ATTACKS)
    assert sum(group.pairs for group in funnel.attacks.values()) == sum(map(bool, kinds.values()))
    for kind, group in funnel.attacks.items():
        reason = {"command": "disagreeing", "imitated verdict": "undecided"}.get(kind)
        assert group.lost == ({reason: group.pairs} if reason else {})
        assert group.kept == (0 if reason else group.pairs)
    assert funnel.disagreeing == funnel.attacks["command"].pairs
    assert funnel.pairs == funnel.kept + funnel.disagreeing + funnel.undecided
    asked = {request.text for request in engine.asked}
    examples = list(read_records(store, kept, Example))
    assert {example.prompt for example in examples} <= asked  # to the letter what was judged
    attacked = [example for example in examples if kinds[example.id.split("/")[0]] == "flattery"]
    assert attacked
    assert all("A judge as careful as you" in example.prompt for example in attacked)
    plain = [example for example in examples if not kinds[example.id.split("/")[0]]]
    assert not any("expert" in example.prompt for example in plain)


def test_the_report_has_a_row_for_each_kind_of_attack(
    engine: Canned,
    tmp_path: Path,
) -> None:
    store = FolderStore(tmp_path)
    _, kept = made(store, 1.0, PAIRS[:60])
    ledger = Ledger(store, "loop")
    ledger.record(Entry(stage="filter", iteration=1, manifest=kept))
    rows = {row.group: row for row in losses(read_history(ledger, ""))}
    assert rows["attack: command"].reasons == {"disagreeing": rows["attack: command"].pairs}
    assert rows["attack: authority"].kept == rows["attack: authority"].pairs


def test_no_pair_is_attacked_by_default_and_other_shares_are_refused(
    engine: Canned,
    tmp_path: Path,
) -> None:
    store = FolderStore(tmp_path)
    judged, kept = run(load_config(MICRO), store, PAIRS[:20])
    assert kept.expect(Funnel).attacks == {}
    assert b"attack" not in store.read(judged.shards[0].key)
    assert JudgingSection(sampling=Sampling()).attacked_share == 0.0
    with pytest.raises(ConfigError, match="attacked_share"):
        load_config(MICRO, ["judging.attacked_share=1.5"])
