"""The DICOMweb door (PS3.18): STOW-RS to staging, QIDO-RS and WADO-RS out of what is held. FastAPI stays in here."""
