"""Faults are shown so that a person finds the place and knows what to write instead."""

from retention.markup.faults import Fault, did_you_mean, in_order, render, report
from retention.markup.text import Text

TEXT = "name: x\ntiers:\n\thot: {packing: fats}\n"


def test_a_fault_is_its_place_what_is_wrong_and_a_caret_below_it():
    fault = Fault(3, 17, "`fats` is none of fast, dense", suggestion="fast", length=4)
    assert render("archive.yaml", TEXT, [fault]) == (
        "archive.yaml:3:17: `fats` is none of fast, dense; did you mean `fast`?\n"
        "    3 |  hot: {packing: fats}\n"
        "      |                 ^^^^"
    )


def test_a_fault_beyond_the_last_line_has_no_line_to_show():
    assert render("a.yaml", "", [Fault(1, 1, "the file is empty")]) == "a.yaml:1:1: the file is empty"


def test_a_caret_never_runs_past_the_end_of_what_is_shown():
    shown = render("a.yaml", "name: x", [Fault(1, 7, "wrong", length=500)])
    assert shown.splitlines()[-1].endswith("| " + " " * 6 + "^")


def test_of_a_long_line_the_part_around_the_place_is_shown():
    text = "a" * 5000 + "HERE" + "b" * 5000
    _, line, carets = render("a.yaml", text, [Fault(1, 5001, "wrong", length=4)]).splitlines()
    assert len(line) < 200
    assert line[carets.index("^") :].startswith("HERE")


def test_passwords_are_not_shown_and_carets_stay_in_place():
    text = 'catalog: "postgresql+psycopg://me:secret@db/x"  # other'
    shown = render("a.yaml", text, [Fault(1, 10, f"not {text}")])
    assert "secret" not in shown
    assert 'postgresql+psycopg://me:******@db/x"  # other' in shown


def test_very_many_faults_are_counted_not_listed():
    shown = render("a.yaml", "x\n" * 300, [Fault(line, 1, "wrong") for line in range(1, 301)])
    assert shown.count("wrong") == 100
    assert shown.endswith("… and 200 more")


def test_a_report_counts_and_sorts():
    late, early = Fault(2, 1, "late"), Fault(1, 3, "early")
    assert report("a.yaml", "x\ny", [late, early]).startswith("a.yaml has 2 faults:\na.yaml:1:3: early")
    assert report("a.yaml", "x", [early]).startswith("a.yaml has 1 fault:")
    assert in_order([late, early]) == [early, late]


def test_faults_are_said_in_the_language_of_who_reads():
    fault = Fault(1, 1, Text("wrong", "faux"), suggestion="right")
    assert fault.sentence("en") == str(fault) == "wrong; did you mean `right`?"
    assert fault.sentence("fr") == "faux ; vouliez-vous dire `right` ?"
    assert report("a.yaml", "x", [fault], "fr").startswith("a.yaml : 1 erreur :\na.yaml:1:1: faux ;")


def test_did_you_mean_is_near_or_nothing():
    known = ["packing", "protection", "volumes"]
    assert did_you_mean("PACKNG", known) == "packing"
    assert did_you_mean("zebra", known) is None
    assert did_you_mean("anything", []) is None
