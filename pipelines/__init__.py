"""The loop as one pipeline of Kubeflow Pipelines: written once, run locally or on a cluster."""
