"""The journal: the append-only truth of what happened, as replicas on several volumes and one RFC 9162 tree."""
