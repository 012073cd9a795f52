"""Codestreams: their headers, and decoding them in a process that may die."""
