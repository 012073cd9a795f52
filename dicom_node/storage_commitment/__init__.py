"""Storage commitment: asking a peer whether it keeps what was stored to it, and its answers (PS3.4 Annex J)."""
