"""Manifests of what a cluster needs, and their check."""
