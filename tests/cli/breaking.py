"""What is made of an archive, or broken in it, before the program is called."""

import shutil
from contextlib import closing
from datetime import date
from pathlib import Path

from retention.archive import open_archive, prepare_to_write
from retention.policy.documents import Approver
from retention.services import approvals, holds, registry
from retention.signatures.keys import make_private_key
from retention.signatures.signer import open_signer
from tests.cli.calling import retention
from tests.cli.conftest import UID
from tests.services.move.moving import move_in


def record_and_merge(archive) -> str:
    """Let one patient have a fact, and be merged into another; return the fact's id."""
    whose = ("--institution", "necker", "--patient", "GONE", "--source", "SIH")
    retention("--archive", archive, "fact", "record", *whose, "discharge", "2020-01-01")
    retention("--archive", archive, "fact", "merge", *whose, "--into", "1CT1")
    return str(retention("--archive", archive, "fact", "list", "--json").data["items"][0]["id"])


def ask(archive) -> str:
    """Register Dim and Dora, who has `dora.key`, and let Dim ask for two signatures; return the request's id."""
    stores = open_archive(archive, person="Dim")
    try:
        prepare_to_write(stores)
        for name, role in (("Dim", "archivist"), ("Dora", "director")):
            key = make_private_key(archive / f"{name.lower()}.key", b"a secret")
            registry.add(stores, registry.NewPerson(name, (), (role,), None, key))
        stores.open_signer = lambda: open_signer(archive / "dim.key", lambda: b"a secret")
        approvers = [Approver("director"), Approver("dim_physician")]
        return approvals.request(
            stores, approvals.Wish("thing", None, "a" * 32, "b" * 64, approvers, "It", {})
        )
    finally:
        stores.close()


def hold(archive) -> str:
    """Place a hold that is looked at again in the past, as Dim; return its id."""
    stores = open_archive(archive, person="Dim")
    try:
        prepare_to_write(stores)
        stores.open_signer = lambda: open_signer(archive / "dim.key", lambda: b"a secret")
        where = stores.catalog.institutions()[0].institution_id
        return holds.place(stores, holds.Case(where, "Legal", "x", date(2020, 1, 1), UID)).hold_id
    finally:
        stores.close()


def _lose_two_shards(archive):
    uid = retention("--archive", archive, "study", "show", UID, "--json").data
    for shard in uid["packages"][0]["shards"]:
        (file,) = (archive / shard["volume"]).rglob(
            f"{uid['packages'][0]['package']}.{shard['number']:02d}.*"
        )
        file.unlink()


def _empty(archive):
    for path in (archive / "cold-1").rglob("*"):
        if path.is_file():
            path.unlink()


def _bring_seal(archive):
    other = archive.parent / "other"
    assert retention("init", other).code == 0
    text = retention("--archive", other, "journal", "seal", "--json").data["checkpoint"]
    archive.parent.joinpath("seal").write_text(text)


def _lose_catalog(archive):
    for path in archive.glob("catalog.db*"):
        path.unlink()


def _put_on_glacier(archive):
    with closing(open_archive(archive)) as stores:
        move_in(stores, "glacier", stores.catalog.packages_of(UID))


def _add_spare(archive):
    settings = archive / "archive.yaml"
    text = settings.read_text().replace(
        "volumes:\n", 'volumes:\n  spare: {url: "file:spare", domain: d}\n', 1
    )
    settings.write_text(text)


BREAK = {
    "a study is on glacier": _put_on_glacier,
    "": lambda _: None,
    "a hold is overdue": lambda archive: retention(
        "--archive",
        archive,
        "hold",
        "place",
        "--study",
        UID,
        "--owner",
        "Legal",
        "--reason",
        "appeal",
        "--reassess",
        "2020-01-01",
    ),
    "a job is paused": lambda archive: retention(
        "--archive", archive, "schedule", "pause", "audit", "--reason", "disks"
    ),
    "a volume is gone": lambda archive: shutil.rmtree(archive / "cold-5"),
    "a volume is new": _add_spare,
    "a volume is emptied": _empty,
    "two shards are gone": _lose_two_shards,
    "the catalog is gone": _lose_catalog,
    "the journal is sealed": lambda archive: retention("--archive", archive, "journal", "seal"),
    "a seal of another archive came": _bring_seal,
    "the root key is gone": lambda archive: (archive / "secrets" / "root.key").unlink(),
    "archive.yaml is gone": lambda archive: (archive / "archive.yaml").unlink(),
}


def prove(root: Path, *, is_locked: bool) -> str:
    """Make a token and the account of Vera; return the token's id."""
    made = retention("--archive", root, "--json", "token", "create", "x", "--role", "reader")
    retention("--archive", root, "account", "add", "Vera", "--role", "reader", "--institution", "cochin")
    if is_locked:
        retention("--archive", root, "account", "lock", "Vera")
    token: str = made.data["tokens"][0]["id"]
    return token
