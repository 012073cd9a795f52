"""Fitting a network on a training part: one module for each way, and what they share."""
