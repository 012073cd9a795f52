"""Who may use the console: users, their passwords, logins, sessions and tokens."""
