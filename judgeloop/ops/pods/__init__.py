"""The pods of a run: why one waits or was ended, which waits too long, and who ends its run."""
