"""The method: pairs are synthesized, judged in both orders and filtered. No stores, no engines."""
