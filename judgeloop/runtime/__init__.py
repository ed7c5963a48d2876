"""Runs stages: content keys, concurrent shards, leases, the ledger, and pipeline tasks."""
