"""A device asks to be sure, and is told: in its association, or in a new one, also after a crash in between."""

import threading

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at run time
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from tests.e2e.serving import Served, free_port, serving
from tests.services.instances import CT, STUDY, instance

UID = f"{STUDY}.1.1"
SECONDS = 20


@pytest.fixture
def device():
    return Device()


class Device:
    """A modality: asks for commitment, and takes reports."""

    def __init__(self) -> None:
        self.port = free_port()
        self.reports: list[tuple[int, Dataset]] = []
        self.told = threading.Event()

    def take(self, event):
        self.reports.append((event.event_type, event.event_information))
        self.told.set()
        return 0x0000, None

    def listen(self):
        entity = AE("NECKER_CT1")
        entity.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
        return entity.start_server(
            ("127.0.0.1", self.port), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, self.take)]
        )

    def ask(self, served, *references, stay=True):
        """Ask for the commitment of (class, instance); wait for the report if the association is to stay."""
        entity = AE("NECKER_CT1")
        entity.add_requested_context(StorageCommitmentPushModel)
        association = entity.associate(
            "127.0.0.1",
            served.port,
            ae_title="RETENTION",
            evt_handlers=[(evt.EVT_N_EVENT_REPORT, self.take)],
            ext_neg=[build_role(StorageCommitmentPushModel, scu_role=True)],
        )
        assert association.is_established
        information = Dataset()
        information.TransactionUID = "1.2.3.4"
        information.ReferencedSOPSequence = [_reference(*each) for each in references]
        status, _ = association.send_n_action(
            information, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        assert status.Status == 0
        if stay:
            assert self.told.wait(SECONDS)
        association.release()


def _reference(sop_class, uid):
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
    return item


def _send(served, tmp_path):
    (tmp_path / "1.dcm").write_bytes(instance(1))
    assert served.dcmtk("storescu", tmp_path / "1.dcm").returncode == 0


def test_what_was_just_sent_is_packed_and_committed_in_the_same_association(tmp_path, device):
    served = Served.make(tmp_path)
    with serving(served):
        _send(served, tmp_path)
        device.ask(served, (CT, UID), (CT, "1.2.3"), ("1.2.840.10008.5.1.4.1.1.4", UID))
        served.stop()
    ((kind, report),) = device.reports
    assert kind == 2
    assert [item.ReferencedSOPInstanceUID for item in report.ReferencedSOPSequence] == [UID]
    assert [item.FailureReason for item in report.FailedSOPSequence] == [0x0112, 0x0119]
    assert report.TransactionUID == "1.2.3.4"
    assert list((served.root / "commitments").iterdir()) == []


def test_who_has_hung_up_is_called_back_also_after_a_crash(tmp_path, device):
    served = Served.make(
        tmp_path, f"\npeers: {{ct: {{ae_title: NECKER_CT1, host: 127.0.0.1, port: {device.port}}}}}\n"
    )
    with serving(served):
        _send(served, tmp_path)
        device.ask(served, (CT, UID), stay=False)
        served.kill()
    listening = device.listen()
    try:
        with serving(served):
            assert device.told.wait(SECONDS)
            served.stop()
    finally:
        listening.shutdown()
    assert [kind for kind, _ in device.reports] == [1]
