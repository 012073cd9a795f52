"""Data sets as examples: readers, splits, exports."""
