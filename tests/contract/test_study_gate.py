"""An arm of the study that used gold answers never becomes the champion."""

import pytest

from benchmarks.study.promotion import gate_on_gold
from judgeloop.registry.versions import aliases, version_tags
from tests.registry_loop import Loop

# MLflow's SQL tables use a strategy that SQLAlchemy 2.1 wants to drop.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")


# MLflow makes its database, which takes a minute on a busy machine.
@pytest.mark.timeout(400)
@pytest.mark.parametrize("tracking_uri", ["sqlite_uri"], indirect=True)
def test_a_version_that_used_gold_is_tagged_and_refused_though_it_is_far_better(
    loop: Loop, tmp_path
):
    base = loop.scores("evaluate", 0, right=2)
    inputs = loop.inputs(1, tmp_path, validation=38, gold=39)
    start = loop.scores("validate", 0, right=0, items="held_out")
    measured = [(None, start, base, None), (inputs[0], inputs[1], inputs[2], inputs[3])]
    said = gate_on_gold(loop.config, loop.store, loop.ledger, measured)
    assert said["decision"] == "refuse"
    assert "was trained or chosen with the gold labels" in said["reason"]
    assert version_tags(loop.name, "1")["judgeloop.used_gold"] == "true"
    assert "champion" not in aliases(loop.name)
