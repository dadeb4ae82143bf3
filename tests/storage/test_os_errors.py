"""What the system's refusals mean is decided in one table."""

import errno
import os

import pytest

from retention.model.errors import (
    ObjectExistsError,
    ObjectNotFoundError,
    ObjectUnreadableError,
    StorageError,
    VolumeFullError,
    VolumeUnavailableError,
)
from retention.storage.os_errors import translate, translate_read

MEANINGS = {
    VolumeFullError: ["ENOSPC", "EDQUOT", "EFBIG"],
    VolumeUnavailableError: ["EIO", "EROFS", "ENOTCONN", "ENODEV", "ESTALE", "EACCES", "EPERM", "ETIMEDOUT"],
    ObjectNotFoundError: ["ENOENT", "ENOTDIR", "EISDIR", "ELOOP"],
    ObjectExistsError: ["EEXIST"],
    StorageError: ["EMFILE", "ENFILE"],
}


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, names in MEANINGS.items() for name in names]
)
def test_each_refusal_has_its_meaning(kind, name):
    code = getattr(errno, name)
    error = translate(OSError(code, os.strerror(code)), "cold-1", "packages/x")
    assert type(error) is kind
    assert "cold-1" in error.message
    assert "packages/x" in error.message
    assert error.context == {"volume": "cold-1", "key": "packages/x"}


def test_a_bad_place_on_the_medium_is_damage_of_the_object_that_is_read():
    assert type(translate_read(OSError(errno.EIO, "x"), "cold-1", "k")) is ObjectUnreadableError
    assert type(translate_read(OSError(errno.ENODEV, "x"), "cold-1", "k")) is VolumeUnavailableError


def test_an_error_without_words_gets_some():
    assert "Input/output error" in translate(OSError(errno.EIO, None), "cold-1").message
    assert translate(OSError(), "cold-1").message
