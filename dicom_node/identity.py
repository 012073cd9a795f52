"""Who we are in DICOM's terms: sent in every association and written into every file (PS3.7 D.3.3.2)."""

IMPLEMENTATION_CLASS_UID = "2.25.212917390265231417523016870245173360881"
IMPLEMENTATION_VERSION_NAME = "CXRNODE"
