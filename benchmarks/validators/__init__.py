"""Validators that nobody here wrote, run over many documents at once."""
