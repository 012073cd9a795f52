"""``cxrnode doctor``: checks of everything the node depends on, by what they look at."""
