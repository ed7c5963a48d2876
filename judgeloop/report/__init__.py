"""The report of a loop: one HTML page, the same as Markdown, and a summary for machines.

`history` reads the ledger; all other modules only render the history.
"""
