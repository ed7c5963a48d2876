"""People move the champion on real MLflow: with a reason, by what they know, and with a trail."""

from typing import Any

import pytest

from judgeloop.cli.main import main
from judgeloop.registry.manual import promote_by_hand, roll_back, trail
from judgeloop.registry.versions import ChampionMovedError, aliases
from judgeloop.schema.errors import ConfigError
from tests.registry_loop import Loop

# MLflow's SQL tables use a strategy that SQLAlchemy 2.1 wants to drop.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")


@pytest.fixture
def two(loop: Any, tmp_path: Any) -> str:
    """The name of a model with two versions and no champion."""
    loop.register(1, tmp_path, validation=20, gold=30)
    loop.register(2, tmp_path, validation=21, gold=31)
    return loop.name


def test_a_version_is_promoted_by_hand_and_taken_back_with_a_trail_of_both(two, capsys):
    first = ["promote", f"models:/{two}/1", "--instead-of", "none", "--reason", "the first one"]
    assert main(first) == 0
    assert main(["promote", f"models:/{two}/2", "--instead-of", "1", "--reason", "better"]) == 0
    assert aliases(two) == {"candidate": "2", "champion": "2", "previous": "1"}
    assert "instead of 1 (promote by" in capsys.readouterr().out
    assert main(["rollback", two, "--reason", "it refuses too much"]) == 0
    assert aliases(two) == {"candidate": "2", "champion": "1", "previous": "2"}
    moves = trail(two)
    assert [(move.action, move.version, move.instead_of) for move in moves] == [
        ("promote", "1", ""), ("promote", "2", "1"), ("rollback", "1", "2"),
    ]  # fmt: skip
    assert [move.reason for move in moves] == ["the first one", "better", "it refuses too much"]
    assert all(move.by and move.at.endswith("+00:00") for move in moves)
    assert moves[1].figures["2"]["evaluation/both_orders"] == 31 / 40
    assert moves[1].figures["1"]["evaluation/both_orders"] == 30 / 40


def test_a_champion_that_has_moved_is_not_replaced_and_nothing_is_entered(two):
    promote_by_hand(f"models:/{two}/2", "first", None)
    with pytest.raises(ChampionMovedError, match="compared with no champion"):
        promote_by_hand(f"models:/{two}/1", "late", None)
    with pytest.raises(ConfigError, match="already the champion"):
        promote_by_hand(f"models:/{two}@champion", "again", "2")
    with pytest.raises(ConfigError, match="no version `previous`"):
        roll_back(two, "nothing there")
    with pytest.raises(ConfigError, match="reason"):
        promote_by_hand(f"models:/{two}/1", "  ", "2")
    promote_by_hand(f"models:/{two}/1", "known", "2")
    with pytest.raises(ChampionMovedError):
        roll_back(two, "of another one", instead_of="2")
    assert aliases(two)["champion"] == "1"
    assert len(trail(two)) == 2


def test_the_registry_of_a_run_is_asked_where_none_is_named(tmp_path, monkeypatch):
    (tmp_path / "mlflow").mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow/mlflow.db")
    loop = Loop(tmp_path / "store", "judge")
    loop.scores("evaluate", 0, right=10)
    for iteration in (1, 2):
        loop.register(iteration, tmp_path, validation=20, gold=30)
    why = ["--reason", "tried", "--run", str(tmp_path / "store")]
    for version, before in (("1", "none"), ("2", "1")):
        monkeypatch.delenv("MLFLOW_TRACKING_URI")
        assert main(["promote", f"models:/judge/{version}", "--instead-of", before, *why]) == 0
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert main(["rollback", "judge", *why]) == 0
    assert aliases("judge")["champion"] == "1"
