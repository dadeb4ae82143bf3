"""The data elements and value representations that reading a head knows (PS3.6, PS3.5 §6.2 and §7.1.2).

Tags are integers, group in the upper 16 bits.
"""

from __future__ import annotations

ITEM = 0xFFFEE000
ITEM_DELIMITER = 0xFFFEE00D
SEQUENCE_DELIMITER = 0xFFFEE0DD
DELIMITER_GROUP = 0xFFFE
UNDEFINED_LENGTH = 0xFFFFFFFF

META_GROUP_LENGTH = 0x00020000
META_SOP_CLASS_UID = 0x00020002
TRANSFER_SYNTAX_UID = 0x00020010
FIRST_DIRECTORY_RECORD = 0x00041200
SPECIFIC_CHARACTER_SET = 0x00080005
SOP_CLASS_UID = 0x00080016
SOP_INSTANCE_UID = 0x00080018
STUDY_DATE = 0x00080020
STUDY_TIME = 0x00080030
ACCESSION_NUMBER = 0x00080050
MODALITY = 0x00080060
MANUFACTURER = 0x00080070
INSTITUTION_NAME = 0x00080080
REFERRING_PHYSICIAN = 0x00080090
STUDY_DESCRIPTION = 0x00081030
SERIES_DESCRIPTION = 0x0008103E
DEPARTMENT = 0x00081040
PATIENT_NAME = 0x00100010
PATIENT_ID = 0x00100020
ISSUER_OF_PATIENT_ID = 0x00100021
BIRTH_DATE = 0x00100030
SEX = 0x00100040
BODY_PART = 0x00180015
STUDY_INSTANCE_UID = 0x0020000D
SERIES_INSTANCE_UID = 0x0020000E
STUDY_ID = 0x00200010
SERIES_NUMBER = 0x00200011
INSTANCE_NUMBER = 0x00200013
SAMPLES_PER_PIXEL = 0x00280002
BITS_ALLOCATED = 0x00280100
PERFORMED_DATE = 0x00400244
PERFORMED_TIME = 0x00400245
FLOAT_PIXEL_DATA = 0x7FE00008
PIXEL_DATA = 0x7FE00010

AFTER_META = range(0x00030000, 0x1_0000_0000)
"""Where the walk of the file meta ends: any tag behind group 0002 (and group 0000)."""

AFTER_COMMANDS = range(0x00010000, 0x1_0000_0000)
"""Where a command set ends: any tag behind group 0000."""

PIXELS = range(FLOAT_PIXEL_DATA, PIXEL_DATA + 1)
"""Where the walk of a data set ends: Float, Double Float and plain Pixel Data."""

WANTED = frozenset(
    {
        META_GROUP_LENGTH,
        META_SOP_CLASS_UID,
        TRANSFER_SYNTAX_UID,
        FIRST_DIRECTORY_RECORD,
        SPECIFIC_CHARACTER_SET,
        SOP_CLASS_UID,
        SOP_INSTANCE_UID,
        STUDY_DATE,
        STUDY_TIME,
        ACCESSION_NUMBER,
        MODALITY,
        MANUFACTURER,
        INSTITUTION_NAME,
        REFERRING_PHYSICIAN,
        STUDY_DESCRIPTION,
        SERIES_DESCRIPTION,
        DEPARTMENT,
        PATIENT_NAME,
        PATIENT_ID,
        ISSUER_OF_PATIENT_ID,
        BIRTH_DATE,
        SEX,
        BODY_PART,
        STUDY_INSTANCE_UID,
        SERIES_INSTANCE_UID,
        STUDY_ID,
        SERIES_NUMBER,
        INSTANCE_NUMBER,
        SAMPLES_PER_PIXEL,
        BITS_ALLOCATED,
        PERFORMED_DATE,
        PERFORMED_TIME,
    }
)
"""The elements whose values are kept while walking."""

SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
"""VRs with an explicit header of 8 bytes: tag, VR, length in 16 bits (PS3.5 §7.1.2)."""

LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
"""VRs with one of 12 bytes: tag, VR, two spare bytes, length in 32 bits."""

VRS = SHORT_VRS | LONG_VRS

NOT_SEQUENCES = VRS - {b"SQ", b"UN"}
"""VRs whose value of undefined length is no sequence (for UN: PS3.5 §6.2.2, note 5); any other, or none, may be."""

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED_SYNTAXES = frozenset(
    {
        "1.2.840.10008.1.2.1.99",  # Deflated Explicit VR Little Endian
        "1.2.840.10008.1.2.4.95",  # JPIP Referenced Deflate
        "1.2.840.10008.1.2.4.205",  # JPIP HTJ2K Referenced Deflate
    }
)
BIG_ENDIAN_PIXELS_SYNTAX = "1.2.840.113619.5.2"
"""GE's private syntax: a little endian data set whose pixel data are big endian."""
