"""The database itself: opening it, its schema, its clock, copies of it, and statements that many rooms share."""
