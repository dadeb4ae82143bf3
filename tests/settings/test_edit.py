"""Edits change what is meant and nothing else: every comment, space and quotation mark stays."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retention.markup.yaml_text import read_yaml
from retention.model.errors import SettingsError, UsageError
from retention.model.layout import InstitutionSpec
from retention.settings.default import default_settings_text
from retention.settings.edit import add_institution, replace_volume, yaml_text_of
from retention.settings.load import parse_settings

NECKER = InstitutionSpec(
    "necker",
    title="Hôpital: Necker",
    entity="aphp",
    timezone="Europe/Paris",
    ae_titles=("CT1", "12"),
    policies=("fr-x",),
    plan="standard",
)
HEAD, _, _ = default_settings_text("A").partition("institutions:")
JUST_NAMED = "cochin: {}"


def test_an_institution_is_added_whole():
    edited = add_institution(default_settings_text("A"), NECKER)
    assert parse_settings(edited).institutions == {"necker": NECKER}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("institutions: {}\n", f"institutions:\n  {JUST_NAMED}\n"),
        (
            "institutions: {}   # none yet\nstaging: {}\n",
            f"institutions:   # none yet\n  {JUST_NAMED}\nstaging: {{}}\n",
        ),
        ("institutions:\n", f"institutions:\n  {JUST_NAMED}\n"),
        ("institutions: # none\n# end", f"institutions: # none\n  {JUST_NAMED}\n# end"),
        ("institutions:   ~", f"institutions:\n  {JUST_NAMED}"),
        (
            "institutions:\n    a: {}  # A\n\n# end\n",
            f"institutions:\n    a: {{}}  # A\n    {JUST_NAMED}\n\n# end\n",
        ),
        (
            "institutions:\n  a:\n    title: |\n      long\n\nstaging: {}\n",
            f"institutions:\n  a:\n    title: |\n      long\n  {JUST_NAMED}\n\nstaging: {{}}\n",
        ),
        ("institutions: {a: {}}\n", f"institutions: {{a: {{}}, {JUST_NAMED}}}\n"),
        ("institutions: {a: {}, }   # x\n", f"institutions: {{a: {{}}, {JUST_NAMED}, }}   # x\n"),
        ("institutions: {\n  a: {}  # A }\n}\n", f"institutions: {{\n  a: {{}}, {JUST_NAMED}  # A }}\n}}\n"),
        ("# end, no newline", f"# end, no newline\ninstitutions:\n  {JUST_NAMED}"),
        ("...\n", f"institutions:\n  {JUST_NAMED}\n...\n"),
    ],
)
def test_wherever_institutions_stand_one_is_added_and_all_else_stays(before, after):
    edited = add_institution(HEAD + before, InstitutionSpec("cochin"))
    assert "cochin" in parse_settings(edited).institutions
    if not before.startswith(("#", "...")):
        assert edited == HEAD + after
    else:  # there is no such key: it becomes the document's last
        assert sorted(edited.splitlines()) == sorted((HEAD + after).splitlines())


def test_a_file_on_one_line_stays_one():
    text = (
        "{apiVersion: retention/v1, name: A, volumes: {a: {url: 'file:a', domain: x}, b: {url: 'file:b', domain: x}, "
        "c: {url: 'file:c', domain: x}}, tiers: {hot: {volumes: [a, b, c], protection: {copies: 3}, "
        "accept_single_domain: true}}}"
    )
    once = add_institution(text, InstitutionSpec("one"))
    twice = add_institution(once, InstitutionSpec("two"))
    assert once == f"{text[:-1]}, institutions: {{one: {{}}}}}}"
    assert list(parse_settings(twice).institutions) == ["one", "two"]
    empty = f"{text[:-1]}, institutions: {{}}}}"
    assert list(parse_settings(add_institution(empty, InstitutionSpec("one"))).institutions) == ["one"]


def test_windows_lines_stay_windows_lines():
    text = default_settings_text("A").replace("\n", "\r\n")
    edited = add_institution(add_institution(text, NECKER), InstitutionSpec("cochin"))
    assert "\n" not in edited.replace("\r\n", "")
    assert list(parse_settings(edited).institutions) == ["necker", "cochin"]


def test_an_institution_that_is_there_is_not_added_again():
    edited = add_institution(default_settings_text("A"), NECKER)
    with pytest.raises(UsageError, match="there is an institution `necker` already"):
        add_institution(edited, InstitutionSpec("necker"))


@pytest.mark.parametrize(
    "spec",
    [
        InstitutionSpec("Not A Name"),
        InstitutionSpec("x", timezone="Nowhere"),
        InstitutionSpec("x", title=""),
        InstitutionSpec("x", ae_titles=("CT1",)),
    ],
)
def test_an_edit_that_would_make_the_file_wrong_is_refused(spec):
    text = add_institution(default_settings_text("A"), NECKER)
    if spec.title == "":  # an empty title is no title
        assert parse_settings(add_institution(text, spec)).institutions["x"].title is None
        return
    with pytest.raises(SettingsError):
        add_institution(text, spec)


def test_a_file_that_is_wrong_already_is_not_edited():
    with pytest.raises(SettingsError, match="unknown key `nam`"):
        add_institution(default_settings_text("A").replace("name:", "nam:"), NECKER)


def test_a_text_that_no_edit_can_leave_alone_is_edited_by_hand():
    """The blank lines a `|+` keeps belong to the title; a line put below it would take them away."""
    text = HEAD + "institutions:\n  a:\n    title: |+\n      kept\n\n\n"
    with pytest.raises(SettingsError) as caught:
        add_institution(text, InstitutionSpec("cochin"))
    assert caught.value.hint == "write it by hand, below `institutions`: cochin: {}"


def test_a_volume_moves_and_nothing_else_does(complete):
    edited = replace_volume(complete, "cold-1", "file:/mnt/new disk")
    assert edited == complete.replace('"file:/mnt/cold 1"', '"file:/mnt/new disk"')
    assert replace_volume(complete, "hot-a", "file:hot-a") == complete


def test_an_unknown_volume_is_named_with_what_was_probably_meant(complete):
    with pytest.raises(UsageError) as caught:
        replace_volume(complete, "cold1", "file:x")
    assert caught.value.hint == "did you mean `cold-1`?"


@pytest.mark.parametrize("url", ["nowhere", "file:hot-b", "file:secrets", "", "http://x", "s3://k:s@b"])
def test_a_volume_does_not_move_where_none_can_lie(complete, url):
    with pytest.raises(SettingsError):
        replace_volume(complete, "hot-a", url)


TITLES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffe\uffff"), max_size=30
)


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.from_regex(r"[a-z0-9][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True), TITLES), max_size=4)
)
def test_any_institutions_are_read_back_as_they_were_added(institutions):
    text = default_settings_text("A")
    wanted = {name: InstitutionSpec(name, title=title or None) for name, title in institutions}
    for spec in wanted.values():
        text = add_institution(text, spec)
    assert parse_settings(text).institutions == wanted
    assert text.startswith(HEAD)


VALUES = st.recursive(
    st.booleans() | st.integers(-(10**17), 10**17) | TITLES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TITLES, inner, max_size=3),
    max_leaves=6,
)


@given(VALUES)
def test_what_is_written_on_one_line_is_read_back(value):
    written = yaml_text_of(value)
    assert "\n" not in written
    assert read_yaml(f"key: {written}").value == {"key": value}
