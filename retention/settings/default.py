"""The archive.yaml that `retention init` writes: one machine, directories on one disk, and comments that help."""

from __future__ import annotations

from retention.settings.edit import yaml_text_of

_DEFAULT = """\
# The archive's settings. Comments and order are yours: what the program edits here, it edits around them.
# Every command that reads it says what is wrong with it, and where. For an editor that knows the keys:
#     retention schema config > archive.schema.json
# and as this file's first line
#     # yaml-language-server: $schema=archive.schema.json
apiVersion: retention/v1
name: {name}
catalog: sqlite:///catalog.db

# One volume is one place that fails as one; `file:hot-a` lies in this archive's directory `hot-a`. `domain` names what
# fails together. All of these lie on one disk: they protect against damaged and deleted files, not against the loss
# of the disk. Move them to other disks and machines (file:/mnt/…), give each its own domain, and run
# `retention volume check`. A volume that no tier names is a spare.
volumes:
  hot-a:  {{url: "file:hot-a", site: main, domain: disk-1}}
  hot-b:  {{url: "file:hot-b", site: main, domain: disk-1}}
  cold-1: {{url: "file:cold-1", site: main, domain: disk-1}}
  cold-2: {{url: "file:cold-2", site: main, domain: disk-1}}
  cold-3: {{url: "file:cold-3", site: main, domain: disk-1}}
  cold-4: {{url: "file:cold-4", site: main, domain: disk-1}}
  cold-5: {{url: "file:cold-5", site: main, domain: disk-1}}
  cold-6: {{url: "file:cold-6", site: main, domain: disk-1}}
  glacier-1: {{url: "file:glacier-1", site: main, domain: disk-1}}
  glacier-2: {{url: "file:glacier-2", site: main, domain: disk-1}}

# A package is kept on one tier. `copies: 2` bears the loss of one volume and stores every byte twice; `data: 4,
# parity: 2` bears the loss of any two of six and stores one and a half times the bytes. `accept_single_domain` accepts
# that all volumes fail with one disk: take it away once they lie in domains of their own.
tiers:
  hot:
    volumes: [hot-a, hot-b]
    protection: {{copies: 2}}
    packing: fast
    availability: ONLINE
    accept_single_domain: true
  cold:
    volumes: [cold-1, cold-2, cold-3, cold-4, cold-5, cold-6]
    protection: {{data: 4, parity: 2}}
    packing: fast
    availability: ONLINE
    accept_single_domain: true
  # A tier that answers slowly: what lies on it is recalled before it is read (retention recall request), and a copy
  # of it stays on the fastest tier for `keep`. These directories behave so on purpose, `delay` included; an S3 bucket
  # with a storage class of its own is what they stand for. What is smaller than `from` stays where it is.
  glacier:
    volumes: [glacier-1, glacier-2]
    protection: {{copies: 2}}
    packing: fast
    availability: NEARLINE
    accept_single_domain: true
    recall: {{delay: PT12H, keep: P7D}}
    from: {{bytes: 1MiB}}

# Hospitals and practices. The first ingest into a new archive makes its institution here.
institutions: {{}}
"""


def default_settings_text(name: str) -> str:
    """Return the archive.yaml of a new archive called `name`.

    `terms.archive_name_from` turns any directory's name into one that an archive may have. Raises SettingsError.
    """
    from retention.settings.load import parse_document

    text = _DEFAULT.format(name=yaml_text_of(name))
    parse_document(text)
    return text
