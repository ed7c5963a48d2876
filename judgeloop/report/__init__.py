"""The report of a loop: one HTML page, the same as Markdown, and a summary for machines.

`history` reads the ledger; everything else only shows what the history says.
"""
