"""Two hospitals at the DICOM port: what is the other's is answered as what is not there; a role may what it is for."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at run time
    CTImageStorage,
    PatientRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from retention.archive import open_archive
from retention.dimse.callers import Callers
from retention.dimse.server import serve_on
from retention.model.layout import AccessSpec, DimseSpec
from retention.services.authorisation import Need, is_allowed
from retention.services.staging.receiver import Receiver
from tests.dimse.peer import Peer
from tests.services.instances import STUDY
from tests.services.world import World
from tests.web.callers import NOBODYS, OTHERS, add_pasteur

LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")


@pytest.fixture(scope="module")
def hospitals(held_template: World, tmp_path_factory):
    """The port of an archive of two hospitals; CT1 is necker's, CT2 pasteur's, VIEWER a destination of pasteur's."""
    world = held_template.copy(tmp_path_factory.mktemp("dimse"))
    with Peer() as peer, contextlib.ExitStack() as stack:
        add_pasteur(world)
        settings = Path(world.root, "archive.yaml")
        place = f"ae_title: VIEWER, host: 127.0.0.1, port: {peer.port}, institution: pasteur"
        text = settings.read_text().partition("institutions:")[0]  # the last section of a new archive's
        text += "institutions: {necker: {ae_titles: [CT1]}, pasteur: {ae_titles: [CT2]}}"
        settings.write_text(f"{text}\npeers: {{viewer: {{{place}}}}}\n")
        stores = open_archive(world.root)
        stack.callback(stores.close)
        receiver = stack.enter_context(Receiver(stores))
        listening = socket.create_server(("127.0.0.1", 0))
        listener = serve_on(listening, stores, receiver, DimseSpec())
        stack.callback(listener.stop, 1.0)
        yield stores, listener, listening.getsockname()[1], peer


@contextlib.contextmanager
def associated(port, title, *contexts):
    entity = AE(title)
    for context in contexts:
        entity.add_requested_context(context)
    association = entity.associate("127.0.0.1", port, ae_title="RETENTION")
    assert association.is_established
    yield association
    association.release()


def identifier(level, study="", **more):
    keys = Dataset()
    keys.QueryRetrieveLevel = level
    keys.StudyInstanceUID, keys.PatientID, keys.PatientName = study, "", ""
    for name, value in more.items():
        setattr(keys, name, value)
    return keys


def told(answers):
    """Everything that is answered, but for the UID that was asked with."""
    text = repr([(str(status), str(found)) for status, found in answers])
    return text.replace(OTHERS, "…").replace(NOBODYS, "…")


def test_a_query_for_anothers_is_answered_as_for_nobodys(hospitals):
    _, _, port, _ = hospitals
    for model in (StudyRootQueryRetrieveInformationModelFind, PatientRootQueryRetrieveInformationModelFind):
        with associated(port, "CT1", model) as association:
            for level in LEVELS:
                theirs = list(association.send_c_find(identifier(level, OTHERS), model))
                nobodys = list(association.send_c_find(identifier(level, NOBODYS), model))
                assert told(theirs) == told(nobodys), level


@pytest.mark.parametrize(
    "keys", [{}, {"PatientID": "IPP-1"}, {"PatientName": "*"}, {"StudyDate": "19000101-"}]
)
def test_a_wide_query_finds_nothing_of_anothers(hospitals, keys):
    _, _, port, _ = hospitals
    model = StudyRootQueryRetrieveInformationModelFind
    with associated(port, "CT1", model) as association:
        answers = list(association.send_c_find(identifier("STUDY", **keys), model))
        assert OTHERS not in repr(answers)
        assert STUDY in repr(answers)
    with associated(port, "CT2", model) as association:
        answers = list(association.send_c_find(identifier("STUDY", **keys), model))
        assert OTHERS in repr(answers)
        assert STUDY not in repr(answers)


def test_patients_of_the_same_id_are_two(hospitals):
    """A Patient ID is an institution's own: necker's IPP-1 does not count pasteur's studies."""
    _, _, port, _ = hospitals
    model = PatientRootQueryRetrieveInformationModelFind
    for title, studies in (("CT1", 1), ("CT2", 1)):
        with associated(port, title, model) as association:
            keys = identifier("PATIENT", PatientID="IPP-1", NumberOfPatientRelatedStudies="")
            (found, _) = association.send_c_find(keys, model)
            assert found[1].NumberOfPatientRelatedStudies == studies


def test_anothers_study_is_neither_got_nor_moved(hospitals):
    stores, _, port, peer = hospitals
    given = [entry for entry in stores.journal.read() if entry.envelope.action == "study.export"]
    get, move = StudyRootQueryRetrieveInformationModelGet, StudyRootQueryRetrieveInformationModelMove
    with associated(port, "CT1", get, move) as association:
        answers = [
            (told(association.send_c_get(identifier("STUDY", study), get)),
             told(association.send_c_move(identifier("STUDY", study), "VIEWER", move)),
             told(association.send_c_move(identifier("STUDY", study), "NOWHERE", move)))
            for study in (OTHERS, NOBODYS)
        ]  # fmt: skip
        assert answers[0] == answers[1]
        assert answers[0][1] == answers[0][2]  # a destination of pasteur's is none to necker
    assert peer.taken == []
    stores.journal.refresh()
    assert len([e for e in stores.journal.read() if e.envelope.action == "study.export"]) == len(given)


def test_what_is_moved_is_written_down_with_the_device_that_asked(hospitals):
    stores, listener, port, peer = hospitals
    move = StudyRootQueryRetrieveInformationModelMove
    with associated(port, "CT2", move) as association:
        list(association.send_c_move(identifier("STUDY", OTHERS), "VIEWER", move))
    assert sorted(peer.taken) == [f"{OTHERS}.1.1", f"{OTHERS}.1.2"]
    listener.witness.flush(is_last=True)
    stores.journal.refresh()
    entries = {entry.envelope.action: entry.envelope for entry in stores.journal.read()}
    assert entries["study.export"].actor.startswith("device-")
    assert entries["study.export"].data["method"] == "local"
    assert "CT2" not in repr(entries["study.export"])


def test_who_is_refused_is_counted(hospitals):
    stores, listener, port, _ = hospitals
    for title, called in (("STRANGER", "RETENTION"), ("CT1", "SOMETHING")):
        entity = AE(title)
        entity.add_requested_context(CTImageStorage)
        assert not entity.associate("127.0.0.1", port, ae_title=called).is_established
    listener.witness.flush(is_last=True)
    stores.journal.refresh()
    (*_, last) = (e.envelope for e in stores.journal.read() if e.envelope.action == "access.refused")
    assert last.data["refused"] == {"ae-title": 2}


def test_with_tls_the_certificate_says_what_may_be_asked_for(hospitals):
    stores, _, _, _ = hospitals
    callers = Callers(stores)
    assert callers.institution_of("CT1") is not None
    callers._access = AccessSpec(
        {"necker": {"ct1": ("ingest",), "pacs": ("reader",)}, "pasteur": {"ct2": ("reader",)}}
    )
    necker = callers.institution_of("CT1")
    by = {
        name: callers.caller_of("CT1", frozenset({name}), is_encrypted=True)
        for name in ("ct1", "pacs", "ct2", "x")
    }
    assert by["ct2"] is by["x"] is None  # of another hospital, or of nobody
    assert by["ct1"] is not None
    assert by["pacs"] is not None
    assert [is_allowed(by["ct1"], necker, need) for need in (Need.STORE, Need.FIND, Need.READ)] == [
        True,
        False,
        False,
    ]
    assert [is_allowed(by["pacs"], necker, need) for need in (Need.STORE, Need.FIND)] == [False, True]
    assert callers.caller_of("CT9", frozenset({"ct1"}), is_encrypted=True) is None
