"""Serving a judge on Kubernetes: the manifests, and the command that writes them."""
