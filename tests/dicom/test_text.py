"""Text is what pydicom reads, and never a reason to fail."""

import warnings
from pathlib import Path

import pydicom
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydicom.charset import CODES_TO_ENCODINGS, python_encoding

from retention.dicom.text import CharacterSet

CHARSET_FOLDER = Path(pydicom.__file__).parent / "data" / "charset_files"
NAMES = sorted(
    file for file in CHARSET_FOLDER.glob("chr*.dcm") if "SQ" not in file.stem
)  # SQ: names in sequences
TERMS = [term.encode() for term in python_encoding]
BYTES = st.lists(
    st.sampled_from([*CODES_TO_ENCODINGS, b"\x1b", b"^", b"=", b"\\", b"\0"]) | st.binary(max_size=4)
).map(b"".join)


@pytest.mark.parametrize("file", NAMES, ids=lambda file: file.stem)
def test_names_in_every_character_set_are_read_as_pydicom_reads_them(file):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data_set = pydicom.dcmread(file, force=True, stop_before_pixels=True)
        terms = data_set.SpecificCharacterSet
        value = data_set.get_item("PatientName").value
        expected = str(data_set.PatientName)
    declared = (terms if isinstance(terms, str) else "\\".join(terms)).encode()
    assert CharacterSet(declared).name(value) == expected


@pytest.mark.parametrize(
    ("declared", "value", "text"),
    [
        (None, b"Plain ", "Plain"),
        (None, b" both sides\0", "both sides"),
        (None, b"caf\xe9", "café"),  # undeclared bytes are Latin-1, as in pydicom
        (b"ISO_IR 100", b"H\xf4pital Necker ", "Hôpital Necker"),
        (b"ISO_IR 192", "Hôpital".encode(), "Hôpital"),
        (b"ISO_IR 192", b"broken \xff", "broken \ufffd"),
        (b"ISO_IR 144 ", "Иван".encode("iso8859_5"), "Иван"),
        (b"ISO IR 144", "Иван".encode("iso8859_5"), "Иван"),  # a common misspelling
        (b"iso-2022-ir-144", "Иван".encode("iso8859_5"), "Иван"),
        (b"\\ISO 2022 IR 144", b"A\x1b-L" + "Иван".encode("iso8859_5"), "AИван"),
        (b"GB18030", "北京".encode("gb18030"), "北京"),
        (b"\\ISO 2022 IR 58", b"\x1b$)A" + "北京".encode("gb2312"), "北京"),
        (b"punycode", b"\xe9", "é"),  # a codec of Python, and no term of DICOM
        (None, b"first\\second", "first"),
        (None, b"a\0b", "a\ufffdb"),
        (None, b"", None),
        (None, b" \0 ", None),
        (None, None, None),
    ],
)
def test_text(declared, value, text):
    assert CharacterSet(declared).text(value) == text


def test_a_code_extension_ends_at_the_caret_only_in_names():
    value = b"\x1b-L\xb8^\xe9"
    characters = CharacterSet(b"\\ISO 2022 IR 144")
    assert characters.name(value) == "И^é"
    assert characters.text(value) == "И^щ"


def test_empty_component_groups_at_the_end_of_a_name_are_left_out():
    assert CharacterSet().name(b"Wang^XiaoDong==") == "Wang^XiaoDong"
    assert CharacterSet().name(b"==") is None


@given(declared=st.lists(st.sampled_from(TERMS) | st.binary(max_size=6)).map(b"\\".join), value=BYTES)
@example(declared=b"ISO 2022 IR 87", value=b"\x1b$B\x1b\x1b(J\xff")
def test_no_bytes_fail_and_any_text_can_be_written_anywhere(declared, value):
    characters = CharacterSet(declared)
    for text in (characters.text(value), characters.name(value)):
        assert text is None or (text.encode("utf-8") and "\0" not in text and text == text.strip(" "))
