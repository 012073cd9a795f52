"""HL7 version 2: the message ORU^R01, its encoding, and the protocol that carries it (MLLP)."""
