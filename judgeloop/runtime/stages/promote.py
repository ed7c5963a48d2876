"""Stage `promote`: compares the loop's best version with the champion, once per loop."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from judgeloop.evaluation.floors import failed
from judgeloop.evaluation.gate import Judged, decide_promotion, refusal
from judgeloop.registry.addresses import fetch_version
from judgeloop.registry.client import wait_for_server
from judgeloop.registry.evaluations import results_of
from judgeloop.registry.judge_file import control_arms
from judgeloop.registry.tracking import log_run, loop_run
from judgeloop.registry.versions import (
    CHAMPION,
    ChampionMovedError,
    aliases,
    replaced_champion,
    tag_version,
    version_tags,
    version_uri,
)
from judgeloop.registry.versions import promote as move_champion
from judgeloop.runtime.lease import held
from judgeloop.runtime.ledger import BASE_ITERATION
from judgeloop.runtime.stage_key import stage_manifest
from judgeloop.runtime.stage_settings import PromoteSettings
from judgeloop.runtime.stages.start_model import enter_start_gold
from judgeloop.schema.errors import RegistryError
from judgeloop.schema.keys import content_key
from judgeloop.schema.records import ItemResult, Manifest
from judgeloop.schema.results import GateDecision, Promotion, Registered, Scores
from judgeloop.store import Store
from judgeloop.store.shards import finish, finished, read_records

STAGE = "promote"
USED_GOLD = "judgeloop.used_gold"
"""A tag that people set to `true` on a version that was trained or chosen with the gold labels."""
START_MODEL = "start model"
"""Name of the opponent if there is no champion."""
_EVALUATE = "evaluate"
_RECORDED = "judgeloop.settled."
"""Prefix of a version's tag that records that a decision, by its key, was entered."""
logger = logging.getLogger(__name__)


class Candidate(NamedTuple):
    """The version that validation chose."""

    iteration: int
    version: Registered
    registered: Manifest


class Match(NamedTuple):
    """Candidate and opponent at the gate."""

    names: tuple[str, str]
    """Names of the candidate, and of the champion or the start model."""
    champion_version: str | None
    """None if there is no champion."""
    evaluations: tuple[Manifest | None, Manifest | None]
    """Both judges' gold results; None if this store has none."""
    used_gold: tuple[bool, bool]
    """Whether both were trained or chosen with the gold labels."""


def promote(
    config: PromoteSettings,
    store: Store,
    loop_id: str,
    loop_hash: str,
    registered: Mapping[int, Manifest],
    evaluations: Mapping[int, Manifest],
) -> Manifest:
    """Decides whether the loop's best version becomes the champion, and moves the alias if so.

    The best version is the one with the highest both-order accuracy on held-out synthetic pairs,
    the earlier of two equal ones, among those that beat the blind baselines there; gold results are
    used only at the gate. If there is no champion, the opponent is the model that the loop started
    from. A repetition gives the same decision, and does not undo a manual rollback. If another
    version becomes the champion meanwhile, the candidate is compared with that one too.

    Args:
        config: The gate, and the registry's names.
        store: The loop's store.
        loop_id: The loop.
        loop_hash: Distinguishes the loop's run in MLflow from that of another loop with its id.
        registered: Results of `register`, by iteration.
        evaluations: Scores on gold pairs, by iteration; 0 is the start model.

    Returns:
        A manifest with a `Promotion`.

    Raises:
        RegistryError: MLflow cannot be used.
        StoreError, DataError: Recorded item results cannot be read.
    """
    versions = [
        Candidate(iteration, made.expect(Registered), made)
        for iteration, made in sorted(registered.items())
    ]
    if versions and BASE_ITERATION in evaluations:
        wait_for_server()
        parent = loop_run(config.registry.experiment, loop_id, loop_hash)
        scores = evaluations[BASE_ITERATION].expect(Scores)
        enter_start_gold(parent, loop_id, [(v.iteration, v.version) for v in versions], scores)
    candidate = best_version(versions)
    if candidate is None:
        reason, best, champion = _no_candidate(versions), _best(versions), None
        if best:
            wait_for_server()
            champion = aliases(best.version.model_name).get(CHAMPION)
        header = msgspec.structs.replace(
            stage_manifest(
                STAGE,
                config,
                loop_id=loop_id,
                names=("", ""),
                controls=(),
                used_gold=(),
                candidate=[one.registered for one in versions],
                evaluations=(),
            ),
            result=Promotion(
                gate=refusal("", "", reason),
                candidate_version=None,
                champion_version=champion,
            ),
        )
        if best:
            _enter(config, (loop_id, loop_hash), best.version, header.expect(Promotion).gate)
        return finish(store, header)
    wait_for_server()
    # One match at a time per registered model: MLflow moves an alias without a condition. This does
    # not lock out a loop on another store.
    with held(store, f"{STAGE}-{content_key(candidate.version.model_name)}"):
        while True:
            match = _match(store, candidate, evaluations)
            try:
                return _meet(config, store, (loop_id, loop_hash), candidate, match)
            except ChampionMovedError as moved:  # another loop was faster: compare with its version
                logger.warning("%s", moved)


def best_version(versions: Sequence[Candidate]) -> Candidate | None:
    """Returns the version with the best validation among those that beat the blind baselines.

    On the held-out pairs a version must clear the checks of `judgeloop.evaluation.floors`; None if
    none does.
    """
    return _best([one for one in versions if not one.version.validation.below_floors])


def _best(versions: Sequence[Candidate]) -> Candidate | None:
    """Returns the version with the highest both-order accuracy, the earlier of two equal ones."""
    return max(
        versions,
        key=lambda one: (one.version.validation.card.both_orders, -one.iteration),
        default=None,
    )


def _no_candidate(versions: Sequence[Candidate]) -> str:
    best = _best(versions)
    if best is None:
        return "the loop registered no version"
    return (
        "no version is better than the blind baselines on the held-out pairs; of the best one, "
        f"{best.version.version}: {failed(best.version.validation.below_floors)}"
    )


def _match(store: Store, candidate: Candidate, evaluations: Mapping[int, Manifest]) -> Match:
    name, version = candidate.version.model_name, candidate.version.version
    champion = aliases(name).get(CHAMPION)
    if champion == version:  # promoted by this loop: the opponent is the champion before it
        champion = replaced_champion(name, version)
    mine = evaluations.get(candidate.iteration)
    if mine is not None and mine.key not in candidate.registered.inputs:
        mine = None
    if champion is None:
        theirs = evaluations.get(BASE_ITERATION)
        used = (_used_gold(name, version), False)
        return Match((f"{name}/{version}", START_MODEL), None, (mine, theirs), used)
    theirs = _scores(store, version_uri(name, champion), mine)
    used = (_used_gold(name, version), _used_gold(name, champion))
    return Match((f"{name}/{version}", f"{name}/{champion}"), champion, (mine, theirs), used)


def _scores(store: Store, uri: str, mine: Manifest | None) -> Manifest | None:
    """Returns a version's gold results, or None if this store has none.

    They are its own loop's or, if these are on other pairs than `mine` or not in this store, those
    of an evaluation outside a loop. The version is fetched, to verify that its adapter is the one
    whose scores its judge file names.

    Raises:
        RegistryError, DataError: As `fetch_version`, or the results belong to another judge.
    """
    with tempfile.TemporaryDirectory(prefix="judgeloop-champion-") as folder:
        version = fetch_version(uri, Path(folder) / "version")
    judge = version.judge
    results = results_of(version, store)
    found = next(iter([*(one for one in results if _comparable(one, mine)), *results]), None)
    if found is not None and (
        found.model is None or found.model.content() != judge.model.content()
    ):
        raise RegistryError(
            f"{uri}: its judge file names the gold results of another judge "
            f"({_EVALUATE}/{found.key}): move the alias to a version that was registered by its "
            "own loop"
        )
    return found


def _comparable(one: Manifest, other: Manifest | None) -> bool:
    """Returns whether two judges were asked in the same way about the same pairs."""
    if other is None:
        return False
    here, there = one.expect(Scores), other.expect(Scores)
    return (here.pairs, here.protocol) == (there.pairs, there.protocol)


def _meet(
    config: PromoteSettings,
    store: Store,
    loop: tuple[str, str],
    candidate: Candidate,
    match: Match,
) -> Manifest:
    """Decides one match, once, and writes the decision to MLflow before it is recorded."""
    header = _header(config, loop[0], candidate, match)
    name, version = candidate.version.model_name, candidate.version.version
    done = finished(store, STAGE, header.key)
    recorded = f"{_RECORDED}{header.key}"
    # Another or an emptied server may lack a decision that the store has.
    if done is not None and recorded in version_tags(name, version):
        return done
    made = done or msgspec.structs.replace(
        header,
        result=Promotion(
            gate=_decide(config, store, match, _controls(config, candidate)),
            candidate_version=version,
            champion_version=match.champion_version,
        ),
    )
    gate = made.expect(Promotion).gate
    if gate.decision == "promote":
        move_champion(name, version, match.champion_version)
    _enter(config, loop, candidate.version, gate)
    tag_version(name, version, {recorded: "true"})
    return finish(store, made)


def _enter(
    config: PromoteSettings, loop: tuple[str, str], version: Registered, gate: GateDecision
) -> None:
    """Writes a decision to MLflow: to the loop's run and to the version that it is about."""
    tags = {"judgeloop.decision": gate.decision, "judgeloop.reason": gate.reason}
    metrics = {f"gate/{figure}": value for figure, value in gate.metrics().items()}
    log_run(loop_run(config.registry.experiment, *loop), metrics, {}, tags)
    tag_version(version.model_name, version.version, tags)


def _controls(config: PromoteSettings, candidate: Candidate) -> tuple[str, ...]:
    return control_arms(config.filtering.keep, candidate.version.controls)


def _header(config: PromoteSettings, loop_id: str, candidate: Candidate, match: Match) -> Manifest:
    """Returns the manifest before the decision; its key covers all that affects the decision."""
    return msgspec.structs.replace(
        stage_manifest(
            STAGE,
            config,
            loop_id=loop_id,
            names=match.names,
            controls=_controls(config, candidate),
            used_gold=match.used_gold,
            candidate=candidate.registered,
            evaluations=match.evaluations,
        ),
        model=candidate.registered.model,
    )


def _decide(
    config: PromoteSettings, store: Store, match: Match, controls: tuple[str, ...]
) -> GateDecision:
    mine, theirs = match.evaluations
    if controls:
        return refusal(
            *match.names,
            "it was trained, or continues a judge that was trained, with filtering.keep "
            f"{', '.join(controls)}: it is a control arm of the study",
        )
    if mine is None or theirs is None:
        name = match.names[0] if mine is None else match.names[1]
        return refusal(*match.names, f"there are no item results of {name} in this store")
    return decide_promotion(
        _judged(store, match.names[0], mine, match.used_gold[0]),
        _judged(store, match.names[1], theirs, match.used_gold[1]),
        config.gate,
    )


def _judged(store: Store, name: str, made: Manifest, used_gold: bool) -> Judged:
    scores = made.expect(Scores)
    return Judged(
        name=name,
        data=scores.pairs,
        protocol=scores.protocol,
        results=read_records(store, made, ItemResult),
        used_gold=used_gold,
    )


def _used_gold(model_name: str, version: str) -> bool:
    return version_tags(model_name, version).get(USED_GOLD) == "true"
