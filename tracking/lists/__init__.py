"""Read models: where each study stands, and what lists, pages, metrics and DICOMweb show of it."""
