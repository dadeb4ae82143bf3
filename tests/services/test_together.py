"""Many who ask at once are served together, and each is told how it went."""

from __future__ import annotations

import threading

import pytest

from retention.services.together import Together


def test_who_comes_while_it_is_being_done_shares_the_next_time():
    together: Together[int] = Together()
    began, go_on = threading.Event(), threading.Event()
    rounds = []

    def work(items):
        rounds.append(list(items))
        began.set()
        assert go_on.wait(10)

    threads = [threading.Thread(target=together.do, args=(number, work)) for number in range(5)]
    threads[0].start()
    assert began.wait(10)
    for thread in threads[1:]:
        thread.start()
    while len(together._waiting) < 4:
        go_on.wait(0.001)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert [sorted(each) for each in rounds] == [[0], [1, 2, 3, 4]]


def test_a_failure_is_told_and_the_next_is_tried():
    together: Together[int] = Together()

    def fail(_):
        raise ValueError("full")

    with pytest.raises(ValueError, match="full"):
        together.do(1, fail)
    done: list[int] = []
    together.do(2, done.extend)
    assert done == [2]
