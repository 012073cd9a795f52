"""From findings to what others read, and getting it there: structured report, capture, HL7 message, delivery."""
