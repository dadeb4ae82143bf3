"""What decoding one instance may take. Beyond it an instance cannot be shown, and is given out as held all the same."""

INSTANCE_BYTES = 1 << 30
"""The largest instance that is decoded; larger ones are given out as held."""

FRAME_BYTES = 512 << 20
"""The largest frame, decoded."""

FRAMES = 2_000
"""In one request."""

MEMORY_BYTES = 6 << 30
"""Address space of a decoding process: an instance, its decoded form, and what a decoder needs beside."""

RESIDENT_BYTES = 1 << 30
"""A process that has grown beyond this ends after its answer, and a new one takes its place."""

WALL_S = 60.0
"""The longest that one request may take; then the process is killed."""

WAIT_S = 30.0
"""The longest that a request waits for a free process."""

DOCUMENT_BYTES = 1 << 20
MESSAGE_BYTES = 4 << 30

SIDE_PIXELS = 8_192
"""The longest side of a picture."""
