"""The head of an instance: its identity, the facts that policies need, and where its pixel data lie.

Reading it never raises on any bytes and never takes more than the limits allow. What has the three UIDs is kept,
however odd; what is DICOM and has them not is unidentified, with a reason, and goes to quarantine; only what is not
DICOM, or is a directory of it, is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass

from retention.dicom.dataset import Reading, readings_of
from retention.dicom.facts import (
    IDENTITY,
    identity_of,
    instance_of,
    number_of,
    patient_of,
    series_of,
    study_of,
    uid_of,
)
from retention.dicom.limits import DEFAULT, Budget, Limits
from retention.dicom.readers import Reader
from retention.dicom.source import Window
from retention.dicom.tags import (
    BIG_ENDIAN_PIXELS_SYNTAX,
    BITS_ALLOCATED,
    FIRST_DIRECTORY_RECORD,
    MEDIA_STORAGE_DIRECTORY,
    PIXEL_DATA,
    SAMPLES_PER_PIXEL,
    UNDEFINED_LENGTH,
)
from retention.model.errors import InputLimitError
from retention.model.facts import InstanceFacts, InstanceIdentity, PatientFacts, SeriesFacts, StudyFacts


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of an instance without its pixels. Offsets and lengths are bytes of the file as received.

    `dataset_offset`: behind preamble, DICM and group 0002; 0 for a bare data set.
    `pixel_offset`, `pixel_length`: the value of native Pixel Data (7FE0,0010), as much of it as the source has; None if
    there is none, or it is encapsulated or deflated, or lies behind a limit.
    `big_endian`: samples of native pixel data are stored so.
    `head_bytes`: where the value of the pixel data starts, else how far the walk came.
    """

    identity: InstanceIdentity
    patient: PatientFacts
    study: StudyFacts
    series: SeriesFacts
    instance: InstanceFacts
    dataset_offset: int
    pixel_offset: int | None
    pixel_length: int | None
    bits_allocated: int | None
    samples_per_pixel: int | None
    is_encapsulated: bool
    big_endian: bool
    head_bytes: int


@dataclass(frozen=True, slots=True)
class Unidentified:
    """It is DICOM, or says so, and cannot be filed: to be quarantined.

    `reason` is one of `no-identity`, `bad-identity`, `truncated-head`, `deflate-corrupt`, `deflate-bomb`,
    `limit-bytes`, `limit-elements`, `limit-depth`; `detail` says more, without any value of the data set.
    """

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class NotKept:
    """Not for an archive of instances. `reason` is one of `not-dicom`, `dicomdir`, `empty`."""

    reason: str


def read_head(reader: Reader, limits: Limits = DEFAULT) -> Head | Unidentified | NotKept:
    """Read identity and facts. Raises nothing but what the reader raises (OSError).

    Passing a limit ends the walk, as the end of a file that is cut short does; what was found until then decides.
    """
    if reader.size_bytes == 0:
        return NotKept("empty")
    budget = Budget(limits)
    window = Window(reader, budget)
    failed: list[Reading] = []
    try:
        for reading in readings_of(window, budget):
            identity = identity_of(reading.values)
            if identity:
                return _head(identity, reading, window.size_bytes)
            failed.append(reading)
    except InputLimitError as stop:
        if not failed:
            return Unidentified(str(stop.context["reason"]), stop.message)
    return _refusal(failed)


def _head(identity: InstanceIdentity, reading: Reading, size_bytes: int) -> Head:
    values, pixels, syntax = reading.values, reading.pixels, reading.meta.transfer_syntax_uid
    has_pixels = pixels is not None and pixels.tag == PIXEL_DATA
    is_encapsulated = pixels is not None and has_pixels and pixels.length == UNDEFINED_LENGTH
    native = pixels if has_pixels and not is_encapsulated and not reading.is_deflated else None
    return Head(
        identity=identity,
        patient=patient_of(values),
        study=study_of(values),
        series=series_of(values),
        instance=instance_of(
            values, meta_sop_class_uid=reading.meta.sop_class_uid, transfer_syntax_uid=syntax
        ),
        dataset_offset=reading.offset,
        pixel_offset=native.value_offset if native else None,
        pixel_length=min(native.length, size_bytes - native.value_offset) if native else None,
        bits_allocated=number_of(values, BITS_ALLOCATED, is_big_endian=reading.is_big_endian),
        samples_per_pixel=number_of(values, SAMPLES_PER_PIXEL, is_big_endian=reading.is_big_endian),
        is_encapsulated=is_encapsulated,
        big_endian=reading.is_big_endian or syntax == BIG_ENDIAN_PIXELS_SYNTAX,
        head_bytes=reading.head_bytes,
    )


def _refusal(failed: list[Reading]) -> Unidentified | NotKept:
    """Say why no reading gave an identity, after the one that came nearest."""
    if any(
        reading.meta.sop_class_uid == MEDIA_STORAGE_DIRECTORY or FIRST_DIRECTORY_RECORD in reading.values
        for reading in failed
    ):
        return NotKept("dicomdir")
    if not any(reading.start.is_claimed or _uids_found(reading) for reading in failed):
        return NotKept("not-dicom")
    nearest = max(failed, key=_uids_found)
    lacking = [
        f"{name} {'is not 1 to 64 digits and dots' if tag in nearest.values else 'is missing'}"
        for tag, name in IDENTITY.items()
        if not uid_of(nearest.values, tag)
    ]
    detail = "; ".join([*lacking, nearest.stop.message] if nearest.stop else lacking)
    return Unidentified(_reason(nearest), detail)


def _uids_found(reading: Reading) -> int:
    return sum(uid_of(reading.values, tag) is not None for tag in IDENTITY)


def _reason(reading: Reading) -> str:
    if isinstance(reading.stop, InputLimitError):
        return str(reading.stop.context["reason"])
    if reading.is_corrupt:
        return "deflate-corrupt"
    if any(tag in reading.values and not uid_of(reading.values, tag) for tag in IDENTITY):
        return "bad-identity"
    return str(reading.stop.context["reason"]) if reading.stop else "no-identity"
