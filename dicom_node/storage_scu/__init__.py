"""What we send to peers: C-STORE and C-ECHO, and what their answers mean."""
