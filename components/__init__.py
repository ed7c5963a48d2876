"""Components of Kubeflow Pipelines: one folder a stage, each a thin call into the core."""
