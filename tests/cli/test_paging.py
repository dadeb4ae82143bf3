"""Lists a page at a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.cli.paging import page
from retention.model.errors import UsageError
from tests.cli.calling import retention


@given(st.lists(st.integers(), unique=True), st.integers(1, 5))
def test_pages_put_together_are_the_list(items, limit):
    read, after = [], None
    while part := list(page(items, str, limit, after)):
        assert len(part) <= limit
        read += part
        after = str(part[-1])
    assert read == items


def test_without_limit_all_come():
    assert list(page(range(1000), str, None, None)) == list(range(1000))


def test_an_unknown_place_is_not_an_empty_page():
    with pytest.raises(UsageError, match="nobody"):
        list(page(["a"], str, None, "nobody"))


def test_lists_of_commands_continue_where_the_page_before_ended(made):
    for command, name, key in (
        (("study", "list"), "studies", lambda row: f"{row['institution']}/{row['study_uid']}"),
        (("quarantine", "list"), "items", lambda row: row["id"]),
        (("volume", "list"), "volumes", lambda row: row["name"]),
    ):
        whole = retention("--archive", made, *command, "--json").data[name]
        first = retention("--archive", made, *command, "--limit", "1", "--json").data[name]
        rest = retention("--archive", made, *command, "--after", key(first[0]), "--json").data[name]
        assert [key(row) for row in (*first, *rest)] == [key(row) for row in whole]
