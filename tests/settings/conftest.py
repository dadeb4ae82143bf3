"""A small valid archive.yaml with every key in it, to be broken in one place at a time."""

import pytest

COMPLETE = """\
# Everything that may stand in archive.yaml.
apiVersion: retention/v1
name: ile-de-france
catalog: sqlite:///catalog.db            # or postgresql+psycopg://…
volumes:
  hot-a:   {url: "file:hot-a", site: paris, domain: disk-1}
  hot-b:   {url: "file:hot-b", site: paris, domain: disk-2}
  cold-1:  {url: "file:/mnt/cold 1", site: lyon, domain: disk-3}
  cold-2:  {url: "file:///mnt/cold-2", site: lyon, domain: disk-4}
  cold-3:  {url: "file:cold-3", domain: disk-5}
  vault:   {url: "s3://bucket/prefix", endpoint: "http://127.0.0.1:8000", storage_class: DEEP_ARCHIVE,
            object_lock: {mode: COMPLIANCE, window: P1Y}}
  spare:   {url: "file:spare", domain: disk-6}
tiers:
  hot:     {volumes: [hot-a, hot-b], protection: {copies: 2}, packing: fast,
            availability: ONLINE, accept_single_domain: true}
  cold:    {volumes: [cold-1, cold-2, cold-3], protection: {data: 2, parity: 1}, packing: dense}
  glacier: {volumes: [vault], protection: {copies: 1}, availability: NEARLINE,
            recall: {delay: PT12H, keep: P7D}, from: {bytes: 1MiB}}
institutions:
  necker:  {title: "Hôpital Necker", entity: aphp, timezone: Europe/Paris, ae_titles: [NECKER_CT1],
            policies: [fr-csp-r1112-7], plan: standard}
  cochin:  {}
journal:   {seal_every: PT24H, timestamp: {url: "http://tsa.example/tsr"}, trust: [], witnesses: []}
schedule:  {audit: "PT1H", lifecycle: "0 2 * * *", blackout: ["Mon-Fri 08:00-18:00"]}
staging:   {quiet: PT10M, max_bytes: 4GiB}
listeners: {dimse: {port: 11112, ae_title: RETENTION}, web: {port: 8080}}
access:
  certificates:
    necker: {pacs.necker.example: [ingest, reader]}
  providers:
    sso: {issuer: "https://sso.example/realms/chu", audience: retention, keys: secrets/sso.jwks, grants: [
            {claim: groups, value: radiology, institution: necker, roles: [reader]}]}
"""


@pytest.fixture
def complete():
    return COMPLETE
