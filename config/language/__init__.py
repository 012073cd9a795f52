"""What this node says to people, in the language of its site; catalogues beside it hold the translations."""
