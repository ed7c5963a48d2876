"""The loop on a cluster: submitting it to Kubeflow Pipelines, following, reading and ending runs.

It speaks the v2beta1 API through KFP's generated client. `kfp.Client` stands on the same one, but
asks a wrong host for 25 seconds before it says so.
"""
