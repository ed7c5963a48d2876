"""MLflow: runs (tracking) and registered judges (versions and their aliases).

MLflow is imported inside functions only: that import takes more than a second. The server comes
from `MLFLOW_TRACKING_URI`: a tracking server, or `sqlite:///file.db` without one.
"""
