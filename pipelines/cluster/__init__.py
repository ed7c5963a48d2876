"""The loop on a cluster: submitting it to Kubeflow Pipelines, following, reading and ending runs.

It uses the v2beta1 API through KFP's generated client. `kfp.Client` is built on the same one, but
retries a wrong host for 25 seconds before it reports it.
"""
