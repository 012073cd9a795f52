"""Recipes: what a run learns, from what, and how; the catalogue of findings; the recipes that ship."""
