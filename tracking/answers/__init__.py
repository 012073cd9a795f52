"""What readers answer to findings, and what is known by it."""
