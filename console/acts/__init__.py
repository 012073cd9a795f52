"""Acts on a study or a destination, for the pages and for programs: their words, and what does them."""
