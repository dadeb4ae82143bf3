"""The proof compares bytes, and knows of nothing else."""

import pytest

from retention.cli.demo.proof import Comparison, Sources, compare
from retention.model.errors import NotFoundError


@pytest.fixture
def sources(tmp_path, samples):
    folder = tmp_path / "sources"
    folder.mkdir()
    for name in ("CT_small.dcm", "priv_SQ.dcm", "README.txt"):
        (folder / name).write_bytes((samples / name).read_bytes())
    return Sources.below(folder)


def give_back(sources, folder):
    folder.mkdir()
    for number, source in enumerate(sources.files):
        (folder / str(number)).write_bytes(source.path.read_bytes())
    return folder


def test_what_is_no_dicom_does_not_have_to_come_back(sources):
    assert [source.path.name for source in sources.files] == ["CT_small.dcm", "priv_SQ.dcm"]
    assert sources.size_bytes == sum(source.path.stat().st_size for source in sources.files)


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(NotFoundError):
        Sources.below(tmp_path / "nowhere")


def test_everything_back_is_a_proof(sources, tmp_path):
    found = compare(sources.files, give_back(sources, tmp_path / "back"))
    assert found == Comparison(equal=2)
    assert found.is_proof


def test_one_changed_byte_is_none(sources, tmp_path):
    back = give_back(sources, tmp_path / "back")
    changed = bytearray((back / "0").read_bytes())
    changed[-1] ^= 1
    (back / "0").write_bytes(changed)
    found = compare(sources.files, back)
    assert found == Comparison(1, absent=(sources.files[0].path,), strange=(back / "0",))
    assert not found.is_proof


def test_a_missing_file_is_none(sources, tmp_path):
    back = give_back(sources, tmp_path / "back")
    (back / "1").unlink()
    assert not compare(sources.files, back).is_proof


def test_what_is_held_in_another_encoding_comes_back_as_first_received(sources, tmp_path):
    """Only if its data set is that of a file which did come back."""
    back = give_back(sources, tmp_path / "back")
    first = sources.files[0]
    other = first.path.with_name("other preamble.dcm")
    other.write_bytes(b"\1" * 128 + first.path.read_bytes()[128:])
    both = Sources.below(first.path.parent)
    found = compare(both.files, back)
    assert found == Comparison(2, reencoded=(other,))
    assert found.is_proof
    (back / "0").unlink()
    assert compare(both.files, back).absent == (first.path, other)


def test_nothing_back_proves_nothing(sources, tmp_path):
    (tmp_path / "back").mkdir()
    assert not compare(sources.files, tmp_path / "back").is_proof
    assert not compare((), tmp_path / "back").is_proof


def test_notes_beside_the_files_do_not_count(sources, tmp_path):
    back = give_back(sources, tmp_path / "back")
    (back / "0.reason.txt").write_text("why")
    assert not compare(sources.files, back).is_proof
    assert compare(sources.files, back, notes=".reason.txt").is_proof
