"""What an operator asks of a store and a cluster: preflight, status, cleaning."""
