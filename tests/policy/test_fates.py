"""How many studies and bytes a change moves."""

from retention.policy.fates import Fate, Tally, fate
from tests.policy.making import decide, fact, policy, rule, study

ABOUT = study("2020-01-01")
TEN, TWENTY = policy(rule("P10Y")), policy(rule("P20Y"))


def test_fates():
    ten, twenty = decide(TEN, ABOUT), decide(TWENTY, ABOUT)
    assert fate(ten, ten) is Fate.SAME
    assert fate(ten, twenty) is Fate.LATER
    assert fate(twenty, ten) is Fate.EARLIER
    assert fate(twenty, decide(TEN, ABOUT, fact("opposition", "2020-01-01"))) is Fate.EARLIER
    assert fate(ten, decide([], ABOUT)) is Fate.LATER
    reviewed = decide(policy(rule("P10Y"), more="final_action: review\n"), ABOUT)
    assert fate(ten, reviewed) is Fate.RESTATED


def test_a_tally_counts_studies_bytes_and_where_they_go():
    tally = Tally()
    ten, twenty, nothing = decide(TEN, ABOUT), decide(TWENTY, ABOUT), decide([], ABOUT)
    for before, after in ((ten, twenty), (ten, twenty), (twenty, ten), (nothing, ten), (ten, ten)):
        tally.add(before, after, 100)
    assert tally.as_record() == {
        "studies": {"same": 1, "earlier": 2, "later": 2, "restated": 0},
        "bytes": {"same": 100, "earlier": 200, "later": 200, "restated": 0},
        "transitions": [
            {"from": "DETERMINED", "to": "DETERMINED", "studies": 3},
            {"from": "PERMANENT", "to": "DETERMINED", "studies": 1},
        ],
    }
