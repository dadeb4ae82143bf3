"""Lists a page at a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.cli.paging import page
from retention.model.errors import UsageError


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
