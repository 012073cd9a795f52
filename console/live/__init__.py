"""Pages that follow the database: one reader of it, whatever the number of pages that are open."""
