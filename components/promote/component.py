"""Promotes a new champion, or refuses to."""

from kfp import dsl

from components.images import stage_image


@dsl.component(base_image=stage_image("promote"), install_kfp_package=False)
def promote(config: str, loop_id: str, decision: dsl.Output[dsl.Artifact]):
    """Compares the loop's best version with the champion on gold pairs, and promotes or refuses it.

    Runs once, after the loop. The candidate is the version with the best validation, looked up in
    the loop's ledger whichever gate stopped the loop; it becomes the champion if every condition of
    `judgeloop.evaluation.gate` holds. A refusal is recorded with its figures.

    Resumed: runs again; if the champion is this version already, nothing changes.

    Args:
        config: Reference to the configuration.
        loop_id: Names the loop.

    Outputs:
        decision: Manifest of the promotion or the refusal, with the figures.
    """
    from judgeloop.runtime import tasks

    tasks.promote(config, loop_id, decision.path)
