"""What destinations are told about documents that do not hold any more."""
