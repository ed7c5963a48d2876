"""Brings questions and images into the store."""

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("cpu"), install_kfp_package=False)
def ingest(config: str, loop_id: str, questions: dsl.Output[dsl.Dataset]):
    """Checks the questions, stores their images once and splits off the held-out images.

    Image: cpu. GPU: no.
    Caching: on; changed data needs another loop id.
    Resumed: a finished ingest is found by its data's hash; a killed one begins again.

    Args:
        config: The configuration as JSON (`Config.to_json`).
        loop_id: Names the loop.

    Outputs:
        questions: Manifest of the shards of questions, held-out ones apart; bad rows counted.
    """
    from judgeloop import tasks

    tasks.ingest(config, loop_id, questions.path)
