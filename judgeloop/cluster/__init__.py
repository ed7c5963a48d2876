"""Kubernetes' API: what is asked of it, and how a pod reaches it by its service account."""
