"""Whole ways from a data folder to a result: train, ensemble, retrain on all, tune, cross-validate, learning curve."""
