"""Runs stages: content keys, shards in flight, leases, the ledger, and stages as pipeline tasks."""
