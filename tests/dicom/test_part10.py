"""Where a data set starts, whatever is in front of it."""

import pytest

from retention.dicom.limits import DEFAULT, Budget
from retention.dicom.part10 import FileMeta, Start, read_meta, starts_of
from retention.dicom.readers import BytesReader
from retention.dicom.source import Window
from tests.dicom.writing import EXPLICIT_LITTLE, dataset, explicit, implicit, meta

GROUP_2 = meta()[132:]


def window_of(data):
    budget = Budget(DEFAULT)
    return Window(BytesReader(data), budget), budget


def first_meta(data):
    window, budget = window_of(data)
    return read_meta(window, budget, next(starts_of(window)))


@pytest.mark.parametrize(
    ("front", "start"),
    [
        (bytes(128) + b"DICM", Start(132, is_claimed=True)),
        (b"MZ" + bytes(126) + b"DICM", Start(132, is_claimed=True)),
        (bytes(127) + b"DICM", Start(131, is_claimed=True)),
        (b"DICM" + bytes(300), Start(304, is_claimed=True)),
        (bytes(132), Start(132, is_claimed=False)),
        (bytes(128), Start(128, is_claimed=False)),
        (b"", Start(0, is_claimed=False)),
    ],
)
def test_file_meta_is_found_with_its_preamble_and_without(front, start):
    data = front + GROUP_2 + dataset()
    window, budget = window_of(data)
    assert next(starts_of(window)) == start
    found = read_meta(window, budget, start)
    assert found.transfer_syntax_uid == EXPLICIT_LITTLE
    assert found.dataset_offsets[0] == len(front + GROUP_2)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_bare_data_set_starts_at_the_beginning(order):
    window, budget = window_of(dataset(order=order))
    assert list(starts_of(window)) == [Start(0, is_claimed=False)]
    assert read_meta(window, budget, Start(0, is_claimed=False)).dataset_offsets == (0,)


@pytest.mark.parametrize(
    "data", [b"", b"\x08", b"Hello, world", b"\x7fELF" + bytes(2000), b"PK\3\4" + dataset()]
)
def test_what_does_not_look_like_dicom_has_no_start(data):
    window, _ = window_of(data)
    assert list(starts_of(window)) == []


def test_a_claim_with_nothing_behind_it_is_still_a_claim():
    window, _ = window_of(bytes(128) + b"DICM")
    assert [start.is_claimed for start in starts_of(window)] == [True]


def test_the_length_of_the_group_is_a_second_opinion():
    data = meta() + explicit(0x00020100, "UI", b"1.2") + dataset()
    assert first_meta(data).dataset_offsets == (len(meta()) + 11, len(meta()))


def test_file_meta_may_be_implicit():
    data = bytes(128) + b"DICM" + implicit(0x00020010, EXPLICIT_LITTLE.encode()) + dataset()
    found = first_meta(data)
    assert (found.transfer_syntax_uid, found.dataset_offsets) == (
        EXPLICIT_LITTLE,
        (len(data) - len(dataset()),),
    )


def test_a_command_set_in_front_is_no_part_of_anything():
    commands = implicit(0x00000000, b"\4\0\0\0") + implicit(0x00000002, b"1.2.3.4\0")
    data = bytes(128) + b"DICM" + commands + GROUP_2 + dataset()
    found = first_meta(data)
    assert (found.transfer_syntax_uid, found.dataset_offsets[0]) == (
        EXPLICIT_LITTLE,
        len(data) - len(dataset()),
    )


def test_file_meta_without_anything_useful():
    assert first_meta(bytes(128) + b"DICM" + dataset()) == FileMeta((132,), None, None, None)


def test_file_meta_that_never_end_say_so():
    found = first_meta(bytes(128) + b"DICM" + explicit(0x00020001, "OB", b"\0\1", length=99))
    assert found.dataset_offsets == ()
    assert found.stop is not None
