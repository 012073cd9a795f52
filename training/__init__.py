"""From public data and a recipe to an evaluated, calibrated model package."""
