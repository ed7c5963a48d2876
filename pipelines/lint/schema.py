"""Fields that the specification's protobuf messages don't know."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.spec import Spec


def unknown_fields(spec: Spec) -> Iterator[str]:
    """Yields the fields that would be dropped or refused."""
    from google.protobuf import json_format
    from kfp.kubernetes import kubernetes_executor_config_pb2 as kubernetes
    from kfp.pipeline_spec import pipeline_spec_pb2 as messages

    # The deployment is an open structure inside PipelineSpec, so it needs a check of its own.
    documents = [
        ("pipeline", spec.pipeline, messages.PipelineSpec()),
        ("deploymentSpec", spec.pipeline["deploymentSpec"], messages.PipelineDeploymentConfig()),
        *(
            (f"kubernetes/{label}", settings, kubernetes.KubernetesExecutorConfig())
            for label, settings in spec.kubernetes.items()
        ),
    ]
    for where, document, message in documents:
        try:
            json_format.ParseDict(document, message)
        except json_format.ParseError as error:
            yield f"{where}: {error}"
