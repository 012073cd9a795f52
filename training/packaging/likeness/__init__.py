"""Making a package's measure of how far an image lies from what it learnt."""
