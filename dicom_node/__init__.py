"""DICOM on the wire and the instances on disk: receiving, sending, access rules, transfer syntaxes."""
