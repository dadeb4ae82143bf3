"""docs/journal.md §3 is enough: a reader written from it alone, with none of our code, reads what we write."""

import hashlib
import json
import struct

from blake3 import blake3
from hypothesis import given

from retention.journal.journal import Journal
from tests.journal.entries import groups
from tests.model.replicas import replicas


def strangers_reader(files):
    """Yield envelope, payload and leaf hash of every entry of one replica."""
    seq, link = 0, bytes(16)
    while f"journal/{seq:012d}.envelopes" in files:
        lines, frames = files[f"journal/{seq:012d}.envelopes"], files[f"journal/{seq:012d}.payloads"]
        at = 0
        for line in lines.split(b"\n")[:-1]:
            leaf = hashlib.sha256(b"\x00" + line).digest()
            envelope = json.loads(line)
            number, length = struct.unpack_from("<QI", frames, at)
            salt, payload = frames[at + 12 : at + 28], frames[at + 28 : at + 28 + length]
            trailing = frames[at + 28 + length : at + 44 + length]
            assert envelope["v"] == 1
            assert envelope["seq"] == number == seq
            assert envelope["prev"] == link.hex()
            assert trailing == leaf[:16]
            if envelope["payload"] is None:
                assert (length, salt) == (0, bytes(16))
            else:
                assert envelope["payload"]["bytes"] == length
                assert envelope["payload"]["digest"] == blake3(salt + payload).hexdigest()
            yield envelope, None if envelope["payload"] is None else payload, leaf
            at, seq, link = at + 44 + length, seq + 1, leaf[:16]
        assert at == len(frames)


def root(leaves):
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\x01" + root(leaves[:half]) + root(leaves[half:])).digest()


@given(groups())
def test_a_stranger_can_read_the_journal(all_groups):
    three = replicas(3)
    journal = Journal.create(three)
    journal.segment_payloads_bytes = 60
    for group in all_groups:
        journal.append(group)
    entries = [entry for group in all_groups for entry in group]
    for replica in three:
        read = list(strangers_reader(replica.files))
        assert [payload for _, payload, _ in read] == [entry.payload for entry in entries]
        assert [envelope["data"] for envelope, _, _ in read] == [entry.data for entry in entries]
        assert root([leaf for _, _, leaf in read]) == journal.root()
    journal.close()
