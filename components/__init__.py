"""Components of Kubeflow Pipelines: one folder per stage, each a thin call into the core."""
