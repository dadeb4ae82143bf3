"""The on-disk format of packages (docs/format.md): packing, sealing, erasure code, shard, manifest."""
