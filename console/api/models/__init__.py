"""What ``/api/v1`` answers with: frozen models, apart from the rows and read models that they are filled from.

A field may be added within v1; none is removed, and none changes its meaning.
"""
