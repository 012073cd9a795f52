"""Why the model said so: maps of what moved a finding's score, and how they are drawn."""
