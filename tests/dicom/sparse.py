"""A reader of more bytes than a test should write."""


class SparseReader:
    """Some bytes in front of a huge number of zeros; counts what is read."""

    def __init__(self, front, size_bytes):
        self.size_bytes = size_bytes
        self.bytes_read = 0
        self._front = front

    def read_at(self, offset, length):
        length = max(0, min(length, self.size_bytes - offset))
        self.bytes_read += length
        return self._front[offset : offset + length].ljust(length, b"\0")
