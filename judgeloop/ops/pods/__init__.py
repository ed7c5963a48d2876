"""The pods of a run: why a pod waits or ended, and ending a run whose pod waits too long."""
