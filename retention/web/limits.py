"""What one request may ask of the web door. Beyond it the request is refused, or its answer is cut into pages."""

HEADER_BYTES = 16 << 10
"""The longest header of a part."""

PREAMBLE_BYTES = 64 << 10
"""The most that may stand before the first part."""

PARTS = 20_000
"""In one request; a study with more instances is sent in several."""

INSTANCE_BYTES = 8 << 30
"""One instance, as a part."""

CHUNK_BYTES = 256 << 10
"""So much of a body is collected before a thread takes it."""

RESULTS = 1000
"""Matches in one answer to a query; the next ones are asked for with `offset`."""

CONNECTIONS = 200
"""At once."""

CONNECTIONS_OF_ONE = 100
"""At once, of one address."""

HANDSHAKE_S = 10.0
"""Within which TLS has to be agreed on; before that a connection is none to us."""

LOOK_S = 15.0
"""Between two looks at a connection; one on which nothing gets on is closed at the second."""

SLOWEST_BYTES = 4096
"""So much has to come, or to be taken, between two looks."""

REQUEST_HEADER_BYTES = 32 << 10
"""The longest header of a request, its address included."""

REQUEST_HEADERS = 100
"""In one request."""

IDLE_S = 30
"""After which a connection on which nothing is asked is closed."""

GRACE_S = 10
"""How long requests under way have at a stop."""

RETRY_AFTER_S = 300
"""When to ask again for what is being recalled and nobody can tell for how long."""

FRAME_LIST = 2_000
"""Frames in one request."""

THUMBNAIL_TRIES = 8
"""So many instances are looked at for one that can be shown."""

INCLUDED_FIELDS = 100
"""Attributes that a query may ask for besides those that are indexed."""

INCLUDED_RESULTS = 100
"""Matches in one answer when it does: each is read."""
