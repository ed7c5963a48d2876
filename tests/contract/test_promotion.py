"""Promotion on real MLflow: who meets whom, and when the champion moves."""

import uuid
from typing import Any

import pytest

from judgeloop.registry.addresses import resolve_model
from judgeloop.registry.client import connect
from judgeloop.registry.versions import aliases, promote, replaced_champion, version_tags
from judgeloop.runtime.stages import promote as promote_module
from judgeloop.runtime.stages.resolve import resolve
from judgeloop.schema.config import Config
from judgeloop.schema.errors import ConfigError, RegistryError
from tests.mlflow_server import use_database
from tests.registry_loop import ITEMS, Loop

# MLflow's SQL tables use a strategy that SQLAlchemy 2.1 wants to drop.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
by_figures = pytest.mark.parametrize("tracking_uri", ["sqlite_uri"], indirect=True)
"""For what figures and tags decide: a server would answer the same and take ten times as long."""


def test_promoting_moves_champion_and_previous_and_twice_changes_nothing(loop, tmp_path):
    loop.register(1, tmp_path, validation=20, gold=30)
    loop.register(2, tmp_path, validation=21, gold=31)
    promote(loop.name, "1", instead_of=None)
    assert aliases(loop.name) == {"candidate": "2", "champion": "1"}
    assert replaced_champion(loop.name, "1") is None
    for _ in range(2):
        promote(loop.name, "2", instead_of="1")
        assert aliases(loop.name) == {"candidate": "2", "champion": "2", "previous": "1"}
        assert replaced_champion(loop.name, "2") == "1"
    assert resolve_model(f"models:/{loop.name}@previous").version == "1"


def test_a_champion_that_was_not_met_is_not_replaced(loop, tmp_path):
    for iteration in (1, 2, 3):
        loop.register(iteration, tmp_path, validation=20, gold=30)
    promote(loop.name, "2", instead_of=None)
    with pytest.raises(RegistryError, match="with version 1, but the champion is version 2 now"):
        promote(loop.name, "3", instead_of="1")
    with pytest.raises(RegistryError, match="with no champion, but the champion is version 2"):
        promote(loop.name, "3", instead_of=None)
    assert aliases(loop.name) == {"candidate": "3", "champion": "2"}


def test_a_loop_meets_the_champion_that_another_loop_made_meanwhile(loop, tmp_path, monkeypatch):
    loop.register(1, tmp_path, validation=25, gold=20)
    other = Loop(tmp_path / "store", loop.name, "other")
    other.scores("evaluate", 0, right=10)
    other.register(1, tmp_path / "other", validation=25, gold=40)
    compare, matches = promote_module._decide, []

    def slowly(config: Config, store: Any, match: Any, controls: Any) -> Any:
        matches.append(match.names)
        if len(matches) == 1:  # while this loop compares with the start model, the other is done
            promote(loop.name, "2", instead_of=None)
        return compare(config, store, match, controls)

    monkeypatch.setattr(promote_module, "_decide", slowly)
    decision = loop.promote()
    mine = f"{loop.name}/1"
    assert matches == [(mine, "start model"), (mine, f"{loop.name}/2")]
    assert (decision.result.gate.decision, decision.result.champion_version) == ("refuse", "2")
    assert aliases(loop.name)["champion"] == "2"


def test_a_champion_that_was_put_back_by_hand_stays(loop, tmp_path):
    loop.register(1, tmp_path, validation=25, gold=20)
    loop.promote()
    later = Loop(tmp_path / "store", loop.name, "later")
    later.scores("evaluate", 0, right=10)
    later.register(1, tmp_path / "later", validation=25, gold=40)
    decision = later.promote()
    assert aliases(loop.name)["champion"] == "2"
    promote(loop.name, "1", instead_of="2")
    assert later.promote() == decision
    assert aliases(loop.name)["champion"] == "1"


def test_a_finished_loop_is_registered_and_promoted_on_another_server(loop, tmp_path, monkeypatch):
    inputs = loop.inputs(1, tmp_path, validation=25, gold=30)
    loop.record(loop.enter(1, inputs), 1)
    decision = loop.promote()
    assert decision.result.gate.decision == "promote"
    use_database(tmp_path, monkeypatch, "another.db")
    other = Loop(tmp_path / "elsewhere", loop.name, "first-there")
    other.register(1, tmp_path / "first", validation=20, gold=20)  # takes version 1 there
    made = loop.record(loop.enter(1, inputs), 1)
    assert made.result.version == "2"
    assert resolve_model(made.result.uri).judge.loop_id == "loop"
    assert "champion" not in aliases(loop.name)
    assert loop.promote().result.candidate_version == "2"
    assert aliases(loop.name)["champion"] == "2"


def test_an_emptied_server_gets_the_champion_again(loop, tmp_path, monkeypatch):
    inputs = loop.inputs(1, tmp_path, validation=25, gold=30)
    loop.record(loop.enter(1, inputs), 1)
    decision = loop.promote()
    use_database(tmp_path, monkeypatch, "empty.db")
    loop.record(loop.enter(1, inputs), 1)
    assert loop.promote() == decision
    assert aliases(loop.name) == {"candidate": "1", "champion": "1"}
    parent = connect().get_run(loop.parent().id)
    assert parent.data.tags["judgeloop.decision"] == "promote"


def test_the_best_version_by_validation_replaces_the_start_model_once(loop, tmp_path):
    loop.register(1, tmp_path, validation=25, gold=30)
    loop.register(2, tmp_path, validation=25, gold=40)  # a tie: the earlier one is taken
    loop.register(3, tmp_path, validation=24, gold=40)
    decision = loop.promote()
    assert decision.result.gate.decision == "promote"
    assert decision.result.candidate_version == "1"
    assert decision.result.champion_version is None
    assert decision.result.gate.champion == "start model"
    assert (decision.result.gate.n, decision.result.gate.difference) == (ITEMS, 0.5)
    after = aliases(loop.name)
    assert after == {"candidate": "3", "champion": "1"}
    assert loop.promote() == decision
    loop.store.delete(f"promote/{decision.key}/manifest.json")  # died after the alias moved
    assert loop.promote() == decision
    assert aliases(loop.name) == after
    parent = connect().get_run(loop.parent().id)
    assert parent.data.metrics["gate/difference"] == 0.5
    assert parent.data.tags["judgeloop.decision"] == "promote"


@by_figures
def test_a_later_loop_meets_the_champion_on_the_same_items(loop, tmp_path):
    loop.register(1, tmp_path, validation=25, gold=30)
    loop.promote()
    later = Loop(tmp_path / "store", loop.name, "later")
    later.scores("evaluate", 0, right=10)
    later.register(1, tmp_path / "later", validation=30, gold=31)
    decision = later.promote()
    assert decision.result.gate.decision == "refuse"
    assert decision.result.gate.champion == f"{loop.name}/1"
    assert decision.result.gate.difference == pytest.approx(1 / ITEMS)
    assert aliases(loop.name)["champion"] == "1"


@by_figures
def test_a_champion_scored_on_other_items_or_elsewhere_stays(loop, tmp_path):
    loop.register(1, tmp_path, validation=25, gold=30)
    loop.promote()
    other = Loop(tmp_path / "store", loop.name, "other-items")
    inputs = other.inputs(1, tmp_path / "other", validation=30, gold=40)
    inputs[2] = other.scores("evaluate", 1, right=40, items="new-gold")
    other.record(other.enter(1, inputs), 1)
    reason = other.promote().result.gate.reason
    assert reason.startswith(f"{loop.name}/1 was scored on other items, or on another revision")
    elsewhere = Loop(tmp_path / "elsewhere", loop.name, "elsewhere")
    elsewhere.register(1, tmp_path / "third", validation=30, gold=40)
    refused = elsewhere.promote()
    assert refused.result.gate.reason == f"there are no item results of {loop.name}/1 in this store"
    assert (refused.result.gate.n, refused.result.metrics()) == (0, {})
    assert aliases(loop.name)["champion"] == "1"


@by_figures
def test_a_control_arm_is_never_promoted(tracking_uri, tmp_path):
    name = f"judge-{uuid.uuid4().hex[:8]}"
    loop = Loop(tmp_path / "store", name, "control", **{"filtering.keep": "unfiltered"})
    loop.scores("evaluate", 0, right=10)
    loop.register(1, tmp_path, validation=25, gold=40)
    decision = loop.promote()
    assert decision.result.gate.decision == "refuse"
    assert "unfiltered: it is a control" in decision.result.gate.reason
    assert "champion" not in aliases(name)


@by_figures
def test_a_judge_that_goes_on_from_a_control_arm_is_never_promoted(tracking_uri, tmp_path):
    name = f"judge-{uuid.uuid4().hex[:8]}"
    store = tmp_path / "store"
    control = Loop(store, name, "control", **{"filtering.keep": "shuffled"})
    control.register(1, tmp_path, validation=25, gold=40)
    for number, loop_id in enumerate(("child", "grandchild"), start=1):
        start = f"models:/{name}/{number}"
        loop = Loop(store, name, loop_id, **{"model.start": start})
        with pytest.raises(RegistryError, match=f"no record of what {start} was"):
            loop.register(1, tmp_path / f"early-{loop_id}", validation=25, gold=40)
        loop.record(resolve(loop.config, loop.store, loop.ledger), 0)
        loop.scores("evaluate", 0, right=10)
        made = loop.register(1, tmp_path / loop_id, validation=25, gold=40)
        assert resolve_model(made.result.uri).judge.controls == ("shuffled",)
        decision = loop.promote()
        assert decision.result.gate.decision == "refuse"
        assert "shuffled: it is a control" in decision.result.gate.reason
    assert "champion" not in aliases(name)


@by_figures
def test_a_judge_that_goes_on_from_a_judge_by_the_method_may_be_promoted(loop, tmp_path):
    made = loop.register(1, tmp_path, validation=25, gold=30)
    child = Loop(tmp_path / "store", loop.name, "child", **{"model.start": made.result.uri})
    child.record(resolve(child.config, child.store, child.ledger), 0)
    child.scores("evaluate", 0, right=10)
    child.register(1, tmp_path / "child", validation=25, gold=40)
    assert child.promote().result.gate.decision == "promote"


def test_a_loop_from_an_alias_goes_on_from_its_version_after_the_alias_moved(loop, tmp_path):
    loop.register(1, tmp_path, validation=25, gold=30)
    start = f"models:/{loop.name}@candidate"
    child = Loop(tmp_path / "store", loop.name, "child", **{"model.start": start})
    begun = resolve(child.config, child.store, child.ledger)
    child.record(begun, 0)
    loop.register(2, tmp_path / "two", validation=26, gold=31)
    assert aliases(loop.name)["candidate"] == "2"
    assert resolve(child.config, child.store, child.ledger) == begun


@by_figures
def test_a_loop_without_versions_is_refused_with_that_reason(loop):
    decision = loop.promote()
    assert decision.result.gate.reason == "the loop registered no version"
    assert loop.promote() == decision


@by_figures
def test_of_versions_no_better_than_blind_judges_on_the_held_out_pairs_none_is_chosen(
    loop, tmp_path
):
    loop.register(1, tmp_path, validation=12, gold=40)  # .3, at least .18: a coin has .25
    decision = loop.promote()
    assert decision.result.gate.decision == "refuse"
    assert "no version is better than the blind baselines" in decision.result.gate.reason
    assert "0.300, at least 0.181, against 0.25 of an unbiased coin" in decision.result.gate.reason
    assert "champion" not in aliases(loop.name)
    parent = connect().get_run(loop.parent().id)
    for tags in (parent.data.tags, version_tags(loop.name, "1")):  # what MLflow's pages show
        assert tags["judgeloop.decision"] == "refuse"
        assert tags["judgeloop.reason"] == decision.result.gate.reason
    loop.register(2, tmp_path, validation=30, gold=40)
    assert loop.promote().result.candidate_version == "2"


@by_figures
def test_a_loop_of_which_no_version_is_chosen_names_the_champion_that_stays(loop, tmp_path):
    loop.register(1, tmp_path, validation=30, gold=40)
    assert loop.promote().result.gate.decision == "promote"
    weak = Loop(tmp_path / "store", loop.name, "weak")
    weak.register(1, tmp_path / "weak", validation=12, gold=40)
    decision = weak.promote().result
    assert (decision.candidate_version, decision.champion_version) == (None, "1")


@by_figures
def test_a_version_that_was_chosen_with_gold_labels_is_refused(loop, tmp_path):
    loop.register(1, tmp_path, validation=25, gold=40)
    connect().set_model_version_tag(loop.name, "1", promote_module.USED_GOLD, "true")
    decision = loop.promote()
    assert decision.result.gate.decision == "refuse"
    assert "with the gold labels" in decision.result.gate.reason


@by_figures
def test_a_loop_does_not_start_from_a_version_that_is_no_better_than_blind_judges(loop, tmp_path):
    made = loop.register(1, tmp_path, validation=25, gold=12)
    child = Loop(tmp_path / "store", loop.name, "child", **{"model.start": made.result.uri})
    with pytest.raises(ConfigError, match="no better on the gold pairs than the blind baselines"):
        resolve(child.config, child.store, child.ledger)
