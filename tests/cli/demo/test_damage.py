"""Damage is what it says: every file gone, one bit in every file, and the same each time."""

from retention.cli.demo.damage import empty, flip_a_bit_everywhere, lose_catalog


def fill(folder):
    for name, content in (("a", b"\0" * 100), ("below/b", b"\xff"), ("below/c", b"")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_emptied_volume_keeps_its_folders_alone(tmp_path):
    fill(tmp_path)
    assert empty(tmp_path) == 3
    assert contents(tmp_path) == {}
    assert (tmp_path / "below").is_dir()


def test_one_bit_flips_in_every_file_that_has_any(tmp_path):
    fill(tmp_path)
    before = contents(tmp_path)
    assert flip_a_bit_everywhere(tmp_path) == 2
    after = contents(tmp_path)
    for name in ("a", "b"):
        differing = [
            one ^ other for one, other in zip(before[name], after[name], strict=True) if one != other
        ]
        assert len(differing) == 1
        assert differing[0].bit_count() == 1
    assert after["c"] == b""


def test_flipping_again_gives_back_what_was(tmp_path):
    fill(tmp_path)
    before = contents(tmp_path)
    flip_a_bit_everywhere(tmp_path)
    flip_a_bit_everywhere(tmp_path)
    assert contents(tmp_path) == before


def test_the_catalog_goes_with_its_log(tmp_path):
    for name in ("catalog.db", "catalog.db-wal", "archive.yaml"):
        (tmp_path / name).touch()
    assert lose_catalog(tmp_path) == ["catalog.db", "catalog.db-wal"]
    assert contents(tmp_path).keys() == {"archive.yaml"}
