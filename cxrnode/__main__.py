"""``python -m cxrnode``: the same as the ``cxrnode`` command."""

from cxrnode.cli import main

if __name__ == "__main__":
    main()
