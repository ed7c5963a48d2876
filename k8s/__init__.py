"""Manifests for a cluster, and their check."""
