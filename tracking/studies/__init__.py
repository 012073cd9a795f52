"""Studies and their images: what joins a study, whose it is, and what a person decides about it."""
