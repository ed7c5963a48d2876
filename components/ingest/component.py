"""Stores questions and images."""

from kfp import dsl

from components.images import stage_image


@dsl.component(base_image=stage_image("ingest"), install_kfp_package=False)
def ingest(config: str, loop_id: str, questions: dsl.Output[dsl.Dataset]):
    """Checks the questions, stores their images once and splits off the held-out images.

    Images are stored once, by content hash. Questions with a missing, broken or huge image go to a
    quarantine file with the reason, and are counted. Images are held out by a hash of their
    content, so the split does not depend on other data; a question with images on both sides is
    quarantined too.

    Resumed: a finished result is found by its content key; after a kill it reads all questions
    again and reuses stored images. A loop that began with other questions or images is refused:
    use another loop id.

    Args:
        config: Reference to the configuration.
        loop_id: Names the loop.

    Outputs:
        questions: Manifest of the shards of questions, held-out ones apart; bad rows counted.
    """
    from judgeloop.runtime import tasks

    tasks.run("ingest", config, loop_id, questions.path)
