"""The preflight: checks whether a loop could run here, before any GPU is used.

`judgeloop doctor` and the pipeline's first task look from where they run; `make doctor-kubeflow`
and `make submit` look at the cluster from outside (`pipelines/cluster/doctor.py`) and share the
checks of a release and of a quota with them.
"""
