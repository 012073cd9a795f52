"""How far an image lies from those that a network learnt, and what is said of one that lies too far."""
