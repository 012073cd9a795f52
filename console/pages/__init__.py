"""The pages, a module each: what it reads, and the routes that lead to it."""
