"""What one peer may ask of a receiver. Beyond it the association is refused, or ended."""

from __future__ import annotations

PDU_BYTES = 1 << 20
"""The longest P-DATA-TF that is taken, and the length that is announced (PS3.8 Annex D.1)."""

ASSOCIATE_BYTES = 1 << 18
"""The longest PDU of another kind: 128 contexts with all transfer syntaxes there are need less than half."""

IDENTIFIER_BYTES = 8 << 20
"""The longest data set of a request that is no C-STORE: what a query names, or whose commitment is asked for."""

ASSOCIATIONS = 200
"""At once, of one receiver process."""

ASSOCIATIONS_OF_ONE = 100
"""At once, from one address, of one receiver process."""

CONNECTIONS = 400
"""At once, of one receiver process, associated or not."""

PDU_TIMEOUT_S = 60.0
"""Within which a PDU that has begun must have come."""

CONNECT_TIMEOUT_S = 10.0
"""Within which a peer that we call must have taken the connection."""

NETWORK_TIMEOUT_S = 60.0
"""After which an association on which nothing comes is ended."""

WALL_S = 12 * 3600.0
"""The longest that an association may last."""

IDLE_S = 0.5
"""How often a thread looks at its timers while nothing comes."""
