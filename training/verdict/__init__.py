"""The network that says what an image shows: its data, its drawings, its fit and its package."""
