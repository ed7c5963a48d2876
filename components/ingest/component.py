"""Brings questions and images into the store."""

from kfp import dsl

from components.images import stage_image


@dsl.component(base_image=stage_image("ingest"), install_kfp_package=False)
def ingest(config: str, loop_id: str, questions: dsl.Output[dsl.Dataset]):
    """Checks the questions, stores their images once and splits off the held-out images.

    Images are kept once, by their content. Questions with a missing, broken or huge image go to a
    quarantine file with the reason, and are counted. Which images are held out is drawn from their
    content, so it stays the same whatever else the data holds; a question with images on both sides
    is quarantined too.

    Resumed: a finished result is found by its content key; killed before, it reads all questions
        again and finds the images that are stored. A loop that began with other questions or images
        is refused: use another loop id.

    Args:
        config: Reference to the configuration.
        loop_id: Names the loop.

    Outputs:
        questions: Manifest of the shards of questions, held-out ones apart; bad rows counted.
    """
    from judgeloop.runtime import tasks

    tasks.run("ingest", config, loop_id, questions.path)
