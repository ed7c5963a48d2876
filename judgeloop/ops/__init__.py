"""Operations on a store and a cluster: preflight, status, cleaning."""
