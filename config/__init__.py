"""What every room shares: the settings of the node, the tree of errors, and the logs."""
