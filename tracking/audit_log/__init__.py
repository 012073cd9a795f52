"""The audit log, its anchors and export, and the counted refusals."""
