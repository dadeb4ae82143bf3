"""Several documents in one text, faults in two languages, and bounds on how much is read."""

from retention.markup.faults import Fault, in_order, report
from retention.markup.text import Text, short
from retention.markup.yaml_text import DOCUMENTS, FAULTS, VALUES, read_documents, read_yaml


def test_documents_are_read_one_by_one_with_their_places():
    text = "a: 1\n---\n# second\nb: [2, x]\n...\n---\nc: 3\n"
    read = read_documents(text)
    assert [document.value for document in read] == [{"a": 1}, {"b": [2, "x"]}, {"c": 3}]
    assert [document.start.line for document in read] == [1, 2, 6]
    place = read[1].nodes["b", 1].value
    assert (place.line, place.column, text[place.start : place.end]) == (4, 8, "x")


def test_each_document_has_its_own_faults():
    read = read_documents("a: &x 1\n---\nb: *x\n")
    assert [[str(fault) for fault in document.faults] for document in read] == [
        ["anchors (`&…`) are not allowed: write the value out"],
        ["aliases (`*…`) are not allowed: write the value out"],
    ]


def test_documents_before_one_that_cannot_be_read_are_whole():
    read = read_documents("a: 1\n---\nb: [1\n")
    assert [document.value for document in read] == [{"a": 1}, None]
    assert len(read[1].faults) == 1


def test_a_text_of_one_document_refuses_a_second():
    assert read_yaml("a: 1\n").faults == []
    (fault,) = read_yaml("a: 1\n---\nb: 2\n").faults
    assert (fault.line, fault.column) == (2, 1)


def test_plain_scalars_are_told_from_quoted_ones():
    nodes = read_yaml("a: yes\nb: 'yes'\nc: [x]\n").nodes
    assert [nodes[key,].is_plain for key in ("a", "b", "c")] == [True, False, False]


def test_values_and_faults_are_bounded():
    many = read_yaml("[" + "1," * (VALUES + 10) + "]")
    assert [str(fault) for fault in many.faults] == [f"the file has more than {VALUES} values"]
    wrong = read_yaml("\n".join(f"k{number}: *x" for number in range(FAULTS + 50)))
    assert len(wrong.faults) == FAULTS + 1
    assert str(wrong.faults[-1]) == "too many faults, the rest is not read"


def test_documents_are_bounded():
    read = read_documents("---\na: 1\n" * (DOCUMENTS + 10))
    assert len(read) == DOCUMENTS
    assert [str(fault) for fault in read[-1].faults] == [
        f"the file has more than {DOCUMENTS} documents, the rest is not read"
    ]


def test_what_is_too_long_to_be_repeated_is_cut():
    assert short("x" * 60) == "x" * 60
    assert short("x" * 61) == "x" * 59 + "…"
    (fault,) = read_yaml(f"{'k' * 1_000}: 1\n{'k' * 1_000}: 2\n").faults
    assert len(str(fault)) < 200


def test_faults_speak_french():
    faults = [Fault(2, 1, Text("wrong", "faux"), suggestion="x"), Fault(1, 1, "same")]
    assert report("f.yaml", "a\nb\n", faults, "fr") == (
        "f.yaml : 2 erreurs :\nf.yaml:1:1: same\n    1 | a\n      | ^\n"
        "f.yaml:2:1: faux ; vouliez-vous dire `x` ?\n    2 | b\n      | ^"
    )
    assert report("f.yaml", "a\n", faults[1:], "fr").startswith("f.yaml : 1 erreur :\n")
    assert [fault.line for fault in in_order(faults)] == [1, 2]


def test_syntax_is_explained_in_french():
    assert read_yaml("a: [1\n").faults[0].sentence("fr") == "ce n'est pas du YAML : `,` ou `]` attendu ici"
    assert "tabulation" in read_yaml("a:\n\tb: 1\n").faults[0].sentence("fr")
    assert "un second `: `" in read_yaml("a: b: c\n").faults[0].sentence("fr")
