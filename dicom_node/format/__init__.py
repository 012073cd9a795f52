"""DICOM as bytes: Part 10 files, headers, SOP classes and transfer syntaxes."""
