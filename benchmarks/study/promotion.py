"""Registers the last version of an arm that used gold answers, and runs the gate on it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from judgeloop.registry.versions import tag_version
from judgeloop.runtime.decided import loop_hash
from judgeloop.runtime.ledger import Ledger
from judgeloop.runtime.stage_settings import PromoteSettings, RegisterSettings, select_settings
from judgeloop.runtime.stages.promote import USED_GOLD, promote
from judgeloop.runtime.stages.register import register
from judgeloop.schema.config import Config
from judgeloop.schema.records import Manifest
from judgeloop.schema.results import Promotion, Registered
from judgeloop.store import Store

Measured = tuple[Manifest | None, Manifest, Manifest | None, Manifest | None]
"""Of one iteration: what was trained, its validation, its evaluation if any, its examples."""


def gate_on_gold(
    config: Config, store: Store, ledger: Ledger, measured: Sequence[Measured]
) -> dict[str, str]:
    """Returns the gate's decision on the last version, which is tagged as one that used gold.

    The tag is set before the gate runs, so that no version of such an arm is without it there.

    Args:
        config: The arm's configuration.
        store: The study's store.
        ledger: The arm's ledger.
        measured: Of iterations 0, 1, ...; iteration 0 has no training.
    """
    last = len(measured) - 1
    trained, validation, evaluation, examples = measured[last]
    base = measured[0][2]
    if not (trained and evaluation and examples and base):
        raise RuntimeError(f"loop {ledger.loop_id}: its last iteration was not trained or judged")
    identity = loop_hash(config, store)
    made = register(
        select_settings(config, RegisterSettings), store, ledger, last,
        trained, validation, evaluation, examples,
        configuration=msgspec.to_builtins(config), loop_hash=identity,
    )  # fmt: skip
    version = made.expect(Registered)
    tag_version(version.model_name, version.version, {USED_GOLD: "true"})
    evaluations = {0: base, last: evaluation}
    settings = select_settings(config, PromoteSettings)
    decided = promote(settings, store, ledger.loop_id, identity, {last: made}, evaluations)
    gate = decided.expect(Promotion).gate
    return {"decision": gate.decision, "reason": gate.reason}
