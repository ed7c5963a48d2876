"""Run mutmut's mutants in forks of one pytest session: `make mutants` (see README.md here)."""
