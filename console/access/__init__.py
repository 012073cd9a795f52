"""Who may see which page: sessions, roles, forms of others, and the headers of every answer.

A login yields an :class:`tracking.people.users.Identity`; the :class:`console.access.gate.Gate` alone decides what it
may do.
"""
