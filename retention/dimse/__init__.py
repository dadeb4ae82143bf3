"""The DICOM network door: associations in, instances to staging, answers out. pynetdicom stays in here."""
