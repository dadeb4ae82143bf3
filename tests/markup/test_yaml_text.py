"""Reading YAML: plain values, the place of each, and bounds that no bytes get past."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.markup.yaml_text import DEPTH, SIZE_BYTES, Path, dotted, read_yaml


def value_of(text: str) -> object:
    read = read_yaml(text)
    assert read.faults == []
    return read.value


def faults_of(data: bytes | str) -> list[str]:
    return [f"{fault.line}:{fault.column} {fault}" for fault in read_yaml(data).faults]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("007", 7),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("yes", "yes"),
        ("on", "on"),
        ("12:30:45", "12:30:45"),
        ("2026-11-24", "2026-11-24"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("1.2.840.10008", "1.2.840.10008"),
        ("9" * 40, float("9" * 40)),
        ("'12'", "12"),
        ('"true"', "true"),
        ("<<", "<<"),
    ],
)
def test_scalars_mean_what_yaml_1_2_says(written, meant):
    value = value_of(f"key: {written}")
    assert value == {"key": meant}
    assert isinstance(value, dict)
    assert type(value["key"]) is type(meant)


def test_keys_are_texts_whatever_they_look_like():
    assert value_of("1: a\ntrue: b\n~: c\n<<: d") == {"1": "a", "true": "b", "~": "c", "<<": "d"}


def test_places_are_those_of_the_text():
    text = "# c\na: {b: [1, 'two']}   # d\nlong: |\n  x\n  y\n\n\nlast:\n  z: 'q'\n\n# end\n"
    read = read_yaml(text)

    def at(*path: str | int) -> str:
        span = read.nodes[path].value
        return text[span.start : span.end]

    assert at("a") == "{b: [1, 'two']}"
    assert at("a", "b") == "[1, 'two']"
    assert at("a", "b", 1) == "'two'"
    assert at("long") == "|\n  x\n  y"
    assert at("last") == "z: 'q'"
    assert at("last", "z") == "'q'"
    assert at().startswith("a: {b")
    assert at().endswith("z: 'q'")
    node = read.nodes["last", "z"]
    assert (node.value.line, node.value.column) == (9, 6)
    assert node.key is not None
    assert text[node.key.start : node.key.end] == "z"


def test_a_key_without_a_value_has_its_place_behind_the_colon():
    text = "a:   # nothing\nb: 1"
    assert read_yaml(text).nodes["a",].value.start == text.index(":") + 1


@pytest.mark.parametrize("text", ["{a, b: 1}", "? a\n? b\n", "? a\n:\nb: 1", "[a, ]", "- \n- x"])
def test_odd_ways_to_say_nothing_are_read(text):
    assert read_yaml(text).faults == []


def test_what_means_more_than_it_says_is_a_fault():
    assert faults_of("a: &x 1\nb: *x\nc: !!int 3\n&y d: 1\n") == [
        "1:4 anchors (`&…`) are not allowed: write the value out",
        "2:4 aliases (`*…`) are not allowed: write the value out",
        "3:4 tags (`!…`) are not allowed",
        "4:1 anchors (`&…`) are not allowed: write the value out",
    ]
    assert faults_of("a: &x {b: 1}\nc: !t [1]\n") == [
        "1:4 anchors (`&…`) are not allowed: write the value out",
        "2:4 tags (`!…`) are not allowed",
    ]
    assert faults_of("%YAML 1.1\n---\na: yes\n") == ["2:1 directives (`%…`) are not allowed here"]
    assert faults_of("a: 1\n---\nb: 2\n") == ["2:1 only one document (`---`) is allowed in this file"]


def test_of_a_key_that_stands_twice_the_first_counts_and_the_second_is_a_fault():
    read = read_yaml("a: 1\na: {b: [1, {c: 2}], d: 3}\ne: 4\n")
    assert read.value == {"a": 1, "e": 4}
    assert [str(fault) for fault in read.faults] == ["`a` stands here twice, first in line 1"]


@pytest.mark.parametrize(
    "text", ["a: [1", "a: b: c", "a: @b", "a: 'x", "- a\nb: c", "a: !<", "{a: 1}}", "\x00", "\x9b"]
)
def test_what_is_not_yaml_is_one_fault(text):
    (fault,) = read_yaml(text).faults
    assert "this is not YAML" in str(fault)
    assert read_yaml(text).value is None


def test_what_is_not_utf8_is_shown_at_its_place():
    assert faults_of("é: 1\nb: x".encode() + b"\xff\n") == ["2:5 this is not UTF-8 text"]


@pytest.mark.parametrize("text", ['a: "\\0"', 'a: "\\e[31m"', 'a: "\\x9b"', 'a: "\\ud800"', '"\\0": 1'])
def test_characters_that_are_no_text_are_a_fault(text):
    (fault,) = read_yaml(text).faults
    assert str(fault) == "control characters are not allowed"


def test_depth_is_bounded():
    inner = "[" * (DEPTH - 1) + "]" * (DEPTH - 1)
    assert read_yaml(f"a: {inner}").faults == []
    assert faults_of(f"a: [{inner}]") == [f"1:{4 + DEPTH - 1} nested deeper than {DEPTH} levels"]


@pytest.mark.parametrize(
    "bomb", ["[", "{a: ", "- ", "? ", "&a ", "!a ", "a: ", "'", '"\\', "#", "%", "\t", "*a "]
)
def test_size_is_bounded_and_nothing_within_it_is_a_bomb(bomb):
    data = bomb * (SIZE_BYTES // len(bomb))
    read = read_yaml(data)
    assert len(read.faults) < 4
    assert faults_of(data + " " * len(bomb)) == [
        f"1:1 the file has {len(data) + len(bomb)} bytes, {SIZE_BYTES} are allowed"
    ]


@given(st.binary(max_size=200) | st.text(alphabet="ab:{}[]-?&*!|>'\"%@`#,\n\t \\x0é\x85\u2028", max_size=80))
def test_no_bytes_raise(data):
    read = read_yaml(data)
    assert read.faults or read.nodes
    assert read.value is None or () in read.nodes


PLAIN_TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffe\uffff\u2028\u2029")
)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | PLAIN_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PLAIN_TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(PLAIN_TEXT, DOCUMENTS, min_size=1, max_size=4))
def test_json_is_read_as_json_reads_it(document):
    text = json.dumps(document, ensure_ascii=False)
    read = read_yaml(text)
    assert read.faults == []
    assert read.value == document
    for path, node in read.nodes.items():
        assert json.loads(text[node.value.start : node.value.end]) == _at(document, path)


def _at(value: Any, path: Path) -> object:
    for step in path:
        value = value[step]
    return value


def test_paths_are_written_as_people_write_them():
    assert dotted(("tiers", "hot", "volumes", 0)) == "tiers.hot.volumes[0]"
    assert dotted(()) == ""
