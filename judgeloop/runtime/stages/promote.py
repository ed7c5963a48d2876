"""Stage `promote`: the loop's best version meets the champion at the gate, once a loop."""

from __future__ import annotations

import logging
from typing import NamedTuple

import msgspec

from judgeloop.evaluation.gate import GateDecision, decide_promotion, refusal
from judgeloop.registry.addresses import resolve_model
from judgeloop.registry.client import wait_for_server
from judgeloop.registry.judge_file import CONTROLS, control_arms
from judgeloop.registry.tracking import log_run, loop_run
from judgeloop.registry.versions import (
    CHAMPION,
    ChampionMovedError,
    aliases,
    replaced_by,
    tag_version,
    version_tags,
    version_uri,
)
from judgeloop.registry.versions import promote as move_champion
from judgeloop.runtime.lease import held
from judgeloop.runtime.ledger import BASE_ITERATION, Ledger
from judgeloop.runtime.stage_key import stage_manifest
from judgeloop.schema.config import Config
from judgeloop.schema.keys import content_key
from judgeloop.schema.records import ItemResult, Manifest
from judgeloop.store import Store
from judgeloop.store.shards import finish, finished, read_records

STAGE = "promote"
BY_VALIDATION = "validation/both_orders"
START_MODEL = "start model"
"""Name of the opponent where there is no champion."""
_EVALUATE = "evaluate"
_SETTLED = "judgeloop.settled."
"""With a decision's key after it, a tag on a version: that decision was entered here."""
logger = logging.getLogger(__name__)


class Candidate(NamedTuple):
    """The version that validation chose."""

    iteration: int
    name: str
    """Of the registered model."""
    version: str
    registered: Manifest


class Match(NamedTuple):
    """Who meets whom at the gate."""

    names: tuple[str, str]
    """Of the candidate, and of the champion or the start model."""
    champion_version: str
    """Empty where there is no champion."""
    evaluations: tuple[Manifest | None, Manifest | None]
    """Both judges' gold results; None where this store has none."""


def promote(config: Config, store: Store, ledger: Ledger) -> Manifest:
    """Decides whether the loop's best version becomes the champion, and moves the alias if so.

    The best version is the one with the highest both-order accuracy on held-out synthetic pairs,
    the earlier of two equal ones; gold results decide only at the gate. Where there is no champion,
    the opponent is the model that the loop started from. Doing it again gives the same decision,
    and moves nothing that was moved back by hand since. A champion that takes the place of the
    opponent meanwhile is met in its turn.

    Returns:
        A manifest with details `decision` (`promote` or `refuse`), `reason`, `candidate_version`,
        `champion_version` (before this decision; empty where there was none) and `opponent`,
        metrics `difference`, `low` and `high` where they were compared, and the count `n` of items
        compared.

    Raises:
        RegistryError: MLflow cannot be used.
        StoreError, DataError: Recorded item results cannot be read.
    """
    candidate = best_version(ledger)
    if candidate is None:
        header = msgspec.structs.replace(
            stage_manifest(
                STAGE,
                config,
                loop_id=ledger.loop_id,
                names=("", ""),
                controls=(),
                candidate=None,
                evaluations=(),
            ),
            details={"candidate_version": "", "champion_version": ""},
        )
        return finish(store, _filled(header, refusal("", "", "the loop registered no version")))
    wait_for_server()
    # One match a registered model: MLflow moves an alias without a condition. A loop on another
    # store is not kept off by this.
    with held(store, f"{STAGE}-{content_key(candidate.name)}"):
        while True:
            match = _match(store, ledger, candidate)
            try:
                return _meet(config, store, ledger, candidate, match)
            except ChampionMovedError as moved:  # another loop was quicker: meet its version
                logger.warning("%s", moved)


def best_version(ledger: Ledger) -> Candidate | None:
    """Returns the registered version with the best validation; None where none was registered."""
    found = [
        Candidate(iteration, made.details["model_name"], made.details["version"], made)
        for iteration, manifests in ledger.manifests("register").items()
        for made in manifests
    ]
    return max(
        found,
        key=lambda one: (one.registered.metrics[BY_VALIDATION], -one.iteration),
        default=None,
    )


def _match(store: Store, ledger: Ledger, candidate: Candidate) -> Match:
    name, version = candidate.name, candidate.version
    champion = aliases(name).get(CHAMPION)
    if champion == version:  # this very loop's doing: the opponent is who was there before
        champion = replaced_by(name, version)
    evaluations = ledger.manifests(_EVALUATE)
    used = candidate.registered.inputs
    mine = next((m for m in evaluations.get(candidate.iteration, []) if m.key in used), None)
    if champion is None:
        theirs = next(iter(evaluations.get(BASE_ITERATION, [])), None)
        return Match((f"{name}/{version}", START_MODEL), "", (mine, theirs))
    key = resolve_model(version_uri(name, champion)).judge.manifests.get(_EVALUATE)
    theirs = finished(store, _EVALUATE, key) if key else None
    return Match((f"{name}/{version}", f"{name}/{champion}"), champion, (mine, theirs))


def _meet(
    config: Config, store: Store, ledger: Ledger, candidate: Candidate, match: Match
) -> Manifest:
    """Decides one match, once, and enters the decision into MLflow before it is recorded."""
    header = _header(config, ledger, candidate, match)
    done = finished(store, STAGE, header.key)
    settled = f"{_SETTLED}{header.key}"
    # Another server, or one that was emptied, knows nothing of a decision that the store holds.
    if done is not None and settled in version_tags(candidate.name, candidate.version):
        return done
    made = done or _filled(header, _decide(config, store, match, _controls(config, candidate)))
    if made.details["decision"] == "promote":
        move_champion(candidate.name, candidate.version, match.champion_version or None)
    tags = {f"judgeloop.{name}": made.details[name] for name in ("decision", "reason")}
    metrics = {f"gate/{name}": value for name, value in made.metrics.items()}
    log_run(loop_run(config.registry.experiment, ledger.loop_id), metrics, {}, tags)
    tag_version(candidate.name, candidate.version, tags | {settled: "true"})
    return finish(store, made)


def _controls(config: Config, candidate: Candidate) -> tuple[str, ...]:
    inherited = candidate.registered.details.get(CONTROLS, "")
    return control_arms(config.filtering.keep, inherited.split(","))


def _header(config: Config, ledger: Ledger, candidate: Candidate, match: Match) -> Manifest:
    """Returns what is known before the decision; its key holds everything that decides."""
    return msgspec.structs.replace(
        stage_manifest(
            STAGE,
            config,
            loop_id=ledger.loop_id,
            names=match.names,
            controls=_controls(config, candidate),
            candidate=candidate.registered,
            evaluations=match.evaluations,
        ),
        model=candidate.registered.model,
        details={
            "candidate_version": candidate.version,
            "champion_version": match.champion_version,
        },
    )


def _decide(config: Config, store: Store, match: Match, controls: tuple[str, ...]) -> GateDecision:
    mine, theirs = match.evaluations
    if controls:
        return refusal(
            *match.names,
            f"it was trained, or goes on from a judge that was, with filtering.keep "
            f"{', '.join(controls)}: a control of the study, no judge",
        )
    if mine is None or theirs is None:
        name = match.names[0] if mine is None else match.names[1]
        return refusal(*match.names, f"there are no item results of {name} in this store")
    if mine.details.get("pairs") != theirs.details.get("pairs"):
        return refusal(*match.names, f"{match.names[1]} was scored on other items")
    return decide_promotion(
        read_records(store, mine, ItemResult),
        read_records(store, theirs, ItemResult),
        match.names,
        config.gate.min_difference,
    )


def _filled(header: Manifest, decision: GateDecision) -> Manifest:
    details = {
        "decision": decision.decision,
        "reason": decision.reason,
        "opponent": decision.champion,
    }
    return msgspec.structs.replace(
        header,
        counts={"n": decision.n},
        metrics=_metrics(decision),
        details=header.details | details,
    )


def _metrics(decision: GateDecision) -> dict[str, float]:
    if not decision.n:
        return {}
    return {"difference": decision.difference, "low": decision.low, "high": decision.high}
