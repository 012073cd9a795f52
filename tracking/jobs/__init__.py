"""The work queue: jobs, their keys and urgency, the loop that claims them, and starting them again by hand."""
