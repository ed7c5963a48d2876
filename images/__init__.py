"""Builds and pushes the container images that the components run in."""
