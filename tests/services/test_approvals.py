"""Approvals: in order, by different people, signed; the effect comes with the last signature and not before."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retention.catalog.approvals import RequestState
from retention.journal.envelope import NewEntry
from retention.model.clock import RehearsalClock
from retention.model.errors import (
    ApprovalRefusedError,
    NotFoundError,
    RefusedError,
    RoleMissingError,
    SignatureMissingError,
    UsageError,
)
from retention.policy.documents import Approver
from retention.services import approvals, people, registry
from retention.services.approvals import SECOND_PERSON, Visa, Wish
from tests.services.acting import Cast, rebuilt_equal, rehearsal

DIM, DIRECTOR = Approver("dim_physician"), Approver("director")
ARCHIVES = Approver("archives_visa", is_external=True)
SUBJECT, DIGEST = "a" * 32, "b" * 64
VISA = Visa("archives_visa", "2026/17", date(2026, 11, 1), "c" * 64)


@dataclass
class Effects:
    """What a handler was asked to do."""

    count: int = 0
    error: RefusedError | None = None

    def handler_of(self, kind):
        assert kind == "thing"

        def handler(stores, request):
            if self.error is not None:
                raise self.error
            self.count += 1
            return [
                NewEntry(stores.clock.now(), stores.actor, "thing.done", objects={"thing": request.subject})
            ]

        return handler


@pytest.fixture
def cast(held):
    made = Cast(held)
    made.register("Anne", "administrator")
    for name, role in (
        ("Bob", "archivist"),
        ("Dim", "dim_physician"),
        ("Dora", "director"),
        ("Both", "director"),
    ):
        made.register(name, role, by="Anne")
    with made.acting("Anne") as stores:
        registry.change_roles(stores, "Both", (), ["dim_physician"], ())
    return made


def ask(cast, who, *approvers, excluded=()):
    with cast.acting(who) as stores:
        wish = Wish("thing", None, SUBJECT, DIGEST, approvers, "Let it go", {"why": "it is old"}, excluded)
        return approvals.request(stores, wish)


def approve(cast, who, request, effects, visa=None, **how):
    with cast.acting(who, **how) as stores:
        return approvals.approve(stores, request, effects.handler_of, visa)


def actions(cast):
    with cast.acting(None) as stores:
        return [entry.envelope.action for entry in stores.journal.read(0)]


def test_the_effect_comes_with_the_last_signature(cast):
    effects = Effects()
    request = ask(cast, "Bob", DIM, DIRECTOR, ARCHIVES)
    assert approve(cast, "Dim", request, effects).state is RequestState.PENDING
    assert approve(cast, "Dora", request, effects).state is RequestState.PENDING
    assert effects.count == 0
    done = approve(cast, "Bob", request, effects, VISA)
    assert (done.state, effects.count) == (RequestState.APPROVED, 1)
    assert done.given[-1].visa == {"number": "2026/17", "date": "2026-11-01", "document": "c" * 64}
    assert actions(cast)[-2:] == ["approval.give", "thing.done"]
    with cast.acting("Dim") as stores:
        signed = [e.envelope for e in stores.journal.read(0) if e.envelope.action == "approval.give"]
        keys = [cast.keys[name].public.raw for name in ("Dim", "Dora", "Bob")]
        assert all(people.is_signed(e, stores.archive_id, k) for e, k in zip(signed, keys, strict=True))
    rebuilt_equal(cast.world)


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("Dora", "does not have the role dim_physician"),
        ("Bob", "does not have the role dim_physician"),
        ("Nobody At All", "is not registered"),
        (None, "nobody acts"),
    ],
)
def test_the_wrong_person_is_refused_and_the_attempt_is_in_the_journal(cast, who, why):
    request = ask(cast, "Bob", DIM, DIRECTOR)
    with pytest.raises(RoleMissingError, match=why):
        approve(cast, who, request, Effects())
    assert actions(cast)[-1] == "approval.refuse"
    rebuilt_equal(cast.world)


def test_all_are_different_people_and_none_of_them_asked(cast):
    request = ask(cast, "Both", DIM, DIRECTOR)
    with pytest.raises(ApprovalRefusedError, match="asked for this"):
        approve(cast, "Both", request, Effects())
    other = ask(cast, "Bob", DIM, DIRECTOR)
    approve(cast, "Both", other, Effects())
    with pytest.raises(ApprovalRefusedError, match="approved this already"):
        approve(cast, "Both", other, Effects())
    dim = cast.world
    with dim.opened() as stores:
        excluded = registry.find(stores, "Dim").person_id
    third = ask(cast, "Bob", DIM, excluded=(excluded,))
    with pytest.raises(ApprovalRefusedError, match="had a part"):
        approve(cast, "Dim", third, Effects())


def test_a_second_person_is_any_archivist_or_administrator_who_did_not_ask(cast):
    request = ask(cast, "Bob", SECOND_PERSON)
    with pytest.raises(ApprovalRefusedError, match="asked for this"):
        approve(cast, "Bob", request, Effects())
    with pytest.raises(RoleMissingError, match="archivist or administrator"):
        approve(cast, "Dim", request, Effects())
    assert approve(cast, "Anne", request, Effects()).state is RequestState.APPROVED


def test_on_a_production_archive_nobody_approves_or_asks_without_a_signature(cast):
    request = ask(cast, "Bob", DIM)
    with pytest.raises(SignatureMissingError):
        approve(cast, "Dim", request, Effects(), signs=False)
    wish = Wish("thing", None, SUBJECT, DIGEST, [DIM], "", {})
    with cast.acting("Bob", signs=False) as stores, pytest.raises(SignatureMissingError):
        approvals.request(stores, wish)
    with cast.acting(None) as stores, pytest.raises(RoleMissingError, match="known who asks"):
        approvals.request(stores, wish)


def test_without_people_it_says_who_is_missing(held):
    cast, effects = Cast(held), Effects()
    request = ask(cast, None, DIM, DIRECTOR)
    with pytest.raises(ApprovalRefusedError, match="dim_physician, then director, and nobody is registered"):
        approve(cast, "Somebody", request, effects)
    cast.register("Anne", "administrator")
    cast.register("Dim", "dim_physician", by="Anne")
    with pytest.raises(ApprovalRefusedError, match="nobody knows who asked"):
        approve(cast, "Dim", request, effects)
    assert effects.count == 0


def test_what_was_decided_is_decided(cast):
    effects = Effects()
    request = ask(cast, "Bob", DIM)
    approve(cast, "Dim", request, effects)
    with pytest.raises(ApprovalRefusedError, match="is approved"):
        approve(cast, "Both", request, effects)
    rejected = ask(cast, "Bob", DIM)
    with cast.acting("Dora") as stores, pytest.raises(RoleMissingError):
        approvals.reject(stores, rejected, "no")
    with cast.acting("Dim") as stores:
        with pytest.raises(UsageError, match="has a reason"):
            approvals.reject(stores, rejected, "  ")
        assert approvals.reject(stores, rejected, "not yet").reason == "not yet"
        with pytest.raises(ApprovalRefusedError, match="is rejected"):
            approvals.reject(stores, rejected, "again")
    with pytest.raises(ApprovalRefusedError, match="is rejected"):
        approve(cast, "Dim", rejected, effects)
    withdrawn = ask(cast, "Bob", DIM)
    with cast.acting("Bob") as stores:
        assert approvals.reject(stores, withdrawn, "a mistake").state is RequestState.REJECTED
        assert approvals.pending(stores) == []
    assert effects.count == 1
    rebuilt_equal(cast.world)


def test_a_handler_that_refuses_leaves_the_request_as_it_was(cast):
    effects = Effects(error=RefusedError("it has changed"))
    request = ask(cast, "Bob", DIM)
    with pytest.raises(RefusedError, match="it has changed"):
        approve(cast, "Dim", request, effects)
    effects.error = None
    assert approve(cast, "Dim", request, effects).state is RequestState.APPROVED


def test_an_outside_decision_is_recorded_where_one_is_awaited(cast):
    request = ask(cast, "Bob", ARCHIVES, DIM)
    for visa, who in ((None, "Dim"), (Visa("prefect", "1", date(2026, 1, 1), "c" * 64), "Bob")):
        with pytest.raises(ApprovalRefusedError, match="the decision of archives_visa comes next"):
            approve(cast, who, request, Effects(), visa)
    approve(cast, "Bob", request, Effects(), VISA)
    with pytest.raises(ApprovalRefusedError, match="the signature of dim_physician comes next"):
        approve(cast, "Bob", request, Effects(), VISA)
    assert approve(cast, "Dim", request, Effects()).state is RequestState.APPROVED


def test_an_id_may_be_shortened_as_long_as_it_is_one(cast):
    first, second = ask(cast, "Bob", DIM), ask(cast, "Bob", DIM)
    with cast.acting("Bob") as stores:
        assert approvals.find(stores, first[:20]).request_id == first
        for wrong in ("", "x", "0" * 32):
            with pytest.raises((NotFoundError, UsageError)):
                approvals.find(stores, wrong)
    assert first != second


def test_what_it_is_about_does_not_stand_in_public_data(cast):
    ask(cast, "Bob", DIM)
    lines = b"".join(path.read_bytes() for path in cast.world.files(suffix=".envelopes"))
    assert SUBJECT.encode() in lines
    for secret in (b"Let it go", b"it is old", b"Bob"):
        assert secret not in lines


def test_signatures_lapse_after_a_year_and_have_to_be_given_again(folder):
    cast, effects = Cast(rehearsal(folder)), Effects()
    cast.register("Anne", "administrator", key=False)
    for name, role in (("Bob", "archivist"), ("Dim", "dim_physician"), ("Dora", "director")):
        cast.register(name, role, by="Anne", key=False)

    def at(year, who, request=None):
        with cast.acting(who) as stores:
            stores.clock = RehearsalClock(datetime(year, 3, 1, tzinfo=UTC))
            if request is None:
                wish = Wish("thing", None, SUBJECT, DIGEST, [DIM, DIRECTOR], "", {})
                return approvals.request(stores, wish)
            return approvals.approve(stores, request, effects.handler_of)

    request = at(2030, "Bob")
    at(2030, "Dim", request)
    with pytest.raises(RoleMissingError, match="dim_physician"):
        at(2032, "Dora", request)
    at(2032, "Dim", request)
    assert at(2032, "Dora", request).state is RequestState.APPROVED
    assert effects.count == 1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["Anne", "Bob", "Dim", "Dora", "Both"]), max_size=7))
def test_whoever_tries_in_whatever_order_it_happens_once_and_after_all_signatures(cast, order):
    """A model of the law beside the program: in order, different people, not who asked."""
    roles = {"Dim": {"dim_physician"}, "Dora": {"director"}, "Both": {"dim_physician", "director"}}
    effects, request = Effects(), ask(cast, "Bob", DIM, DIRECTOR)
    given: list[str] = []
    wanted = ["dim_physician", "director"]
    for who in order:
        may = len(given) < 2 and who not in given and wanted[len(given)] in roles.get(who, set())
        try:
            approve(cast, who, request, effects)
        except RefusedError:
            assert not may
        else:
            assert may
            given.append(who)
        assert effects.count == (len(given) == 2)
    with cast.acting(None) as stores:
        assert [each.approver for each in approvals.find(stores, request).given] == wanted[: len(given)]
