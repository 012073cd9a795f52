"""Delivery: the worker that sends documents, and the question whether a destination is there."""
