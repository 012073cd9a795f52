"""The networks that recipes name, and what they start from."""
