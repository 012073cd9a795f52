"""Lungs and heart on an image: their outlines, and what is measured on them."""
