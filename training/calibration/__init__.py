"""From logits to probabilities and operating points, on validation images only."""
