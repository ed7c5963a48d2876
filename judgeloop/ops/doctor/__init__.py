"""The preflight: whether a loop could run here, found out before anything is paid for.

`judgeloop doctor` and the pipeline's first task look from where they run; `make doctor-kubeflow`
and `make submit` look at the cluster from outside (`pipelines/cluster/doctor.py`) and share with
them what is said of a release and of a quota.
"""
