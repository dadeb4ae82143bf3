"""Legal holds: at once, over all, over what comes later; and nobody releases one alone."""

from datetime import UTC, date, datetime, timedelta

import pytest

from retention.model.clock import RehearsalClock
from retention.model.errors import (
    ApprovalRefusedError,
    NotFoundError,
    PolicyError,
    RefusedError,
    RoleMissingError,
    SignatureMissingError,
    UsageError,
)
from retention.services import approvals, doctor, holds, institutions
from retention.services.handlers import handler_of
from retention.services.holds import Case
from tests.services.acting import Cast, rebuilt_equal, rehearsal
from tests.services.instances import instance

HOT, COLD = "1.2.840.99.1", "1.2.840.99.2"  # patients IPP-1 and IPP-2
LATER = date(2999, 1, 1)


def place(stores, *, until=LATER, at="necker", **what):
    owner = institutions.find(stores, at).institution_id
    return holds.place(stores, Case(owner, "Legal", "appeal 4/26", until, **what))


def held(stores):
    found = {study.study_uid: study for study in stores.catalog.studies()}
    return {uid: study.holds for uid, study in found.items() if study.holds}


@pytest.fixture
def patients(held):
    """Who the two studies are of."""
    with held.opened() as stores:
        return {uid: stores.catalog.study(uid).patient for uid in (HOT, COLD)}


@pytest.fixture
def cast(held):
    made = Cast(held)
    made.register("Anne", "administrator")
    for name, role in (("Bob", "archivist"), ("Carl", "archivist"), ("Rita", "reader")):
        made.register(name, role, by="Anne")
    return made


def test_a_study_on_hold_is_held_at_once(held):
    with held.opened() as stores:
        place(stores, study_uid=HOT)
        summary = stores.catalog.study(HOT).summary
        assert (summary.state.value, summary.holds, summary.keep_until_on) == ("HELD", 1, None)
        assert stores.catalog.study(COLD).summary.holds == 0
    rebuilt_equal(held)


def test_several_holds_stand_side_by_side(held, patients):
    with held.opened() as stores:
        place(stores, study_uid=HOT)
        place(stores, patient=patients[HOT].patient_id)
        place(stores, query="modality: [CT, MR]")
        assert stores.catalog.study(HOT).summary.holds == 3
    rebuilt_equal(held)


def test_what_arrives_later_is_covered(held):
    with held.opened() as stores:
        place(stores, study_uid="1.2.840.99.77")
        place(stores, patient="IPP-9")
        place(stores, query="study_date: {before: 2027-01-01}")
    for number, (study, patient) in enumerate((("1.2.840.99.77", "IPP-8"), ("1.2.840.99.78", "IPP-9"))):
        held.send(f"later-{number}.dcm", instance(40 + number, study=study, patient=patient))
    held.ingest(*(held.source / f"later-{number}.dcm" for number in (0, 1)))
    with held.opened() as stores:
        counts = {study.study_uid: study.holds for study in stores.catalog.studies()}
    assert counts["1.2.840.99.77"] == counts["1.2.840.99.78"] == 2
    assert counts[HOT] == 1
    rebuilt_equal(held)


def test_a_query_covers_what_it_may_mean(held):
    with held.opened() as stores:
        place(stores, query="department: radiology")  # no header says which department
        assert stores.catalog.study(HOT).summary.holds == 1
        place(stores, query="modality: NM")
        assert stores.catalog.study(HOT).summary.holds == 1


def test_an_issuer_restricts_a_patient(held, patients):
    with held.opened() as stores:
        place(stores, patient=f"{patients[HOT].patient_id}^SOMEBODY ELSE")
        assert stores.catalog.study(HOT).summary.holds == 0


def test_a_hold_is_released_by_somebody_who_neither_placed_nor_asked(cast):
    with cast.acting("Bob") as stores:
        record = place(stores, study_uid=HOT)
    with cast.acting("Carl") as stores:
        request = holds.ask_release(stores, record.hold_id, "the appeal is over")
        with pytest.raises(RefusedError, match="waits for approval already"):
            holds.ask_release(stores, record.hold_id, "again")
    for who, why in (("Bob", "had a part"), ("Carl", "asked for this")):
        with cast.acting(who) as stores, pytest.raises(ApprovalRefusedError, match=why):
            approvals.approve(stores, request, handler_of)
    with cast.acting("Rita") as stores:
        with pytest.raises(RoleMissingError):
            approvals.approve(stores, request, handler_of)
        assert stores.catalog.study(HOT).summary.holds == 1
    with cast.acting("Anne") as stores:
        approvals.approve(stores, request, handler_of)
        from retention.services import decisions

        decisions.refresh(stores)
        assert stores.catalog.study(HOT).summary.holds == 0
        assert stores.catalog.study(HOT).summary.state.value == "PERMANENT"
        assert [e.envelope.action for e in stores.journal.read(0)][-2:] == ["approval.give", "hold.release"]
        with pytest.raises(RefusedError, match="released already"):
            holds.ask_release(stores, record.hold_id, "once more")
    rebuilt_equal(cast.world)


def test_who_places_has_a_role_and_signs(cast):
    with cast.acting("Rita") as stores, pytest.raises(RoleMissingError, match="archivist or administrator"):
        place(stores, study_uid=HOT)
    with cast.acting("Bob", signs=False) as stores, pytest.raises(SignatureMissingError):
        place(stores, study_uid=HOT)
    with cast.acting(None) as stores, pytest.raises(RoleMissingError, match="nobody acts"):
        place(stores, study_uid=HOT)


def test_without_people_a_hold_is_placed_and_nobody_can_release_it(held):
    with held.opened() as stores:
        record = place(stores, study_uid=HOT)
        request = holds.ask_release(stores, record.hold_id, "over")
        with pytest.raises(ApprovalRefusedError, match="nobody is registered"):
            approvals.approve(stores, request, handler_of)
        assert stores.catalog.holds.standing() == [record]


def test_a_day_that_passed_is_a_finding_and_releases_nothing(folder):
    world = rehearsal(folder)
    with world.opened() as stores:
        stores.clock = RehearsalClock(datetime(2030, 1, 1, tzinfo=UTC))
        institutions.first_or_known(stores, "necker")
        place(stores, study_uid=HOT, until=date(2030, 6, 1))
        for day, late in ((1, 0), (151, 0), (152, 1)):
            stores.clock = RehearsalClock(datetime(2030, 1, 1, tzinfo=UTC) + timedelta(days=day))
            assert len(list(holds.overdue(stores))) == late
        assert len(stores.catalog.holds.standing()) == 1
        (check,) = [each for each in doctor.examine_installation(stores) if each.name == "holds"]
        assert check.status is doctor.CheckStatus.WARNING


@pytest.mark.parametrize(
    "what",
    [
        {},
        {"study_uid": HOT, "patient": "1"},
        {"study_uid": "abc"},
        {"patient": "^X"},
        {"study_uid": HOT, "query": "any: true"},
    ],
    ids=str,
)
def test_what_is_no_hold_is_told(held, what):
    with held.opened() as stores, pytest.raises(UsageError):
        place(stores, **what)


def test_a_query_that_is_wrong_shows_where(held):
    with held.opened() as stores, pytest.raises(PolicyError, match="modalty"):
        place(stores, query="modalty: CT")


def test_neither_reason_nor_patient_stand_in_public_data(held):
    with held.opened() as stores:
        place(stores, patient="IPP-1")
        place(stores, study_uid=HOT)
        with pytest.raises(NotFoundError):
            holds.find(stores, "")
    lines = b"".join(path.read_bytes() for path in held.files(suffix=".envelopes"))
    assert b"hold.place" in lines
    for secret in (b"appeal", b"Legal", b"IPP-1", HOT.encode()):
        assert secret not in lines
