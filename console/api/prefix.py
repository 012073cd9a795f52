"""Where the interface lies; its number changes when an answer would not mean any more what it did."""

PREFIX = "/api/v1"
