"""The S3 driver keeps the contract on a real service: over http, and over https in a bucket with versions and locks."""

from __future__ import annotations

import pytest

from tests.storage.buckets import BucketPlace
from tests.storage.conformance import ObjectConformance
from tests.storage.conformance_documents import DocumentConformance
from tests.storage.conformance_identity import IdentityConformance


@pytest.fixture(params=["http", "https"])
def place(request, ceph):
    if request.param == "http":
        return BucketPlace(ceph.http)
    return BucketPlace(ceph.https, locks=True)


class TestObjects(ObjectConformance):
    pass


class TestDocuments(DocumentConformance):
    pass


class TestIdentity(IdentityConformance):
    @pytest.fixture
    def place(self, ceph):
        return BucketPlace(ceph.http, own=True)
