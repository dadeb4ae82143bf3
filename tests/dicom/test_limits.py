"""A budget is spent once, by everybody, and says what was passed."""

import pytest

from retention.dicom.limits import Budget, Limits
from retention.model.errors import InputLimitError


def reason_of(raised):
    return raised.value.context["reason"]


def test_bytes_are_counted_together():
    budget = Budget(Limits(head_bytes=100))
    budget.spend_bytes(60)
    budget.spend_bytes(40)
    with pytest.raises(InputLimitError, match="100 bytes") as raised:
        budget.spend_bytes(1)
    assert reason_of(raised) == "limit-bytes"


def test_elements_are_counted_over_all_loops():
    budget = Budget(Limits(element_count=5))
    assert sum(1 for _, _ in zip(range(3), budget.elements, strict=False)) == 3
    assert len(list(budget.elements)) <= 2
    assert budget.no_elements_left().context["reason"] == "limit-elements"


def test_sequences_may_be_nested_as_deep_as_the_limit():
    budget = Budget(Limits(nesting_depth=3))
    budget.check_depth(3)
    with pytest.raises(InputLimitError) as raised:
        budget.check_depth(4)
    assert reason_of(raised) == "limit-depth"


@pytest.mark.parametrize(
    ("inflated", "deflated", "is_allowed"),
    [
        (1024 * 1024, 1, True),  # the first MiB is free: small files compress extremely
        (1024 * 1024 + 1, 1, False),
        (200 * 10_000, 10_000, True),
        (200 * 10_000 + 1, 10_000, False),
        (64 * 1024 * 1024, 64 * 1024 * 1024, True),
        (64 * 1024 * 1024 + 1, 64 * 1024 * 1024, False),
    ],
)
def test_deflated_data_may_grow_by_a_ratio_and_up_to_a_size(inflated, deflated, is_allowed):
    budget = Budget(Limits())
    if is_allowed:
        budget.check_inflated(inflated, deflated)
    else:
        with pytest.raises(InputLimitError) as raised:
            budget.check_inflated(inflated, deflated)
        assert reason_of(raised) == "deflate-bomb"
