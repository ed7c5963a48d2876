"""Fine-tuning as a TrainJob of Kubeflow Trainer: made, watched to its end and removed.

The job's pod trains by the same code as a task of the pipeline and leaves the same bytes in the
store, under the same content key. The operator's behavior was recorded with Trainer 2.3, JobSet
0.12 and Kueue 0.19.
"""
