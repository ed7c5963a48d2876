"""The Kubernetes API, called from a pod with its service account."""
