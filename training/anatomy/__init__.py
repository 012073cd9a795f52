"""The network that outlines lungs and heart: its data, its changes of them, its fit and its package."""
