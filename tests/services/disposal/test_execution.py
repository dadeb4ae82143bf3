"""Executing a proposal: what was agreed to is what counts, and a run that was stopped still tells all."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from retention.catalog.disposal_records import ProposalRecord
from retention.model.errors import DisposalRefusedError
from retention.policy.disposal import Terms
from retention.policy.documents import Approver
from retention.policy.period import parse_period
from retention.services.disposal import execution
from retention.services.disposal.analysis import Analysed
from retention.services.disposal.proposals import terms_document

ASKED = Terms((Approver("dim_physician"),), parse_period("P30D"), (), ("crypto_shred",))


class Doomed:
    """What matters here of a study that may go: under what terms."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms


def record() -> ProposalRecord:
    proposal = object.__new__(ProposalRecord)
    object.__setattr__(proposal, "terms", json.loads(json.dumps(terms_document(ASKED))))
    return proposal


def terms(*found: Terms) -> Terms:
    doomed: list[Analysed] = [Doomed(each) for each in found]  # type: ignore[misc]  # no more is looked at
    return execution._require_same_terms(record(), doomed)


def test_the_same_terms_and_weaker_ones_are_what_was_agreed_to():
    weaker = replace(ASKED, grace=parse_period("P1D"))
    assert terms(ASKED, weaker) == ASKED


@pytest.mark.parametrize(
    "stricter",
    [
        replace(ASKED, approvals=(Approver("dim_physician"), Approver("director"))),
        replace(ASKED, approvals=(Approver("director"),)),
        replace(ASKED, grace=parse_period("P60D")),
    ],
    ids=["one more to sign", "another to sign", "a longer grace"],
)
def test_approvals_given_under_weaker_terms_do_not_count_for_stricter_ones(stricter: Terms):
    with pytest.raises(DisposalRefusedError, match="other approvals, or a longer grace"):
        terms(stricter)
