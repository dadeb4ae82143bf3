"""Bounded reading of DICOM identity and facts, without touching pixels. pydicom is imported only here."""
