"""Documents on their way: what is due where, what was answered, and taking back what does not hold."""
