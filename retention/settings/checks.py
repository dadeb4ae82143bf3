"""What must agree between keys of archive.yaml, beyond the shape of each.

Checks read the plain values, not the typed document, and look past whatever has the wrong shape: so mistakes of both
kinds are shown together. Each yields the path it is about, what is wrong, and what was probably meant.
"""

from __future__ import annotations

import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from retention.markup.faults import did_you_mean
from retention.markup.yaml_text import Path
from retention.settings.terms import volume_directory

SHARDS = 32  # what the erasure code can number
JOURNAL_REPLICAS = 3  # journal and keyring lie on at least so many online volumes
OWN_DIRECTORIES = ("policies", "secrets")
_S3_ONLY = ("endpoint", "region", "profile", "storage_class", "object_lock", "checksums")


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two or more keys that do not go together; `path` is where to look first."""

    path: Path
    message: str
    suggestion: str | None = None


def disagreements(document: object) -> Iterator[Disagreement]:
    """Yield everything that does not fit together in `document`, the plain value of the file."""
    root = _mapping(document)
    volumes = {name: _mapping(volume) for name, volume in _mapping(root.get("volumes")).items()}
    tiers = {name: _mapping(tier) for name, tier in _mapping(root.get("tiers")).items()}
    yield from _volume_options(volumes)
    yield from _volume_places(volumes)
    yield from _tier_volumes(tiers, volumes)
    for name, tier in tiers.items():
        yield from _protection(("tiers", name), tier, volumes)
    yield from _journal_replicas(tiers, volumes)
    yield from _ae_titles(_mapping(root.get("institutions")))
    yield from _ports(_mapping(root.get("listeners")))
    yield from _web_tls(_mapping(_mapping(root.get("listeners")).get("web")))
    yield from _access(_mapping(root.get("access")), _mapping(root.get("institutions")))
    yield from _peers(_mapping(root.get("peers")))


def domain_of(name: str, volume: Mapping[str, object]) -> str:
    """Return what fails together with a volume: what the file says, else its S3 service, else itself."""
    domain, endpoint = volume.get("domain"), volume.get("endpoint")
    if isinstance(domain, str):
        return domain
    if str(volume.get("url", "")).startswith("s3:"):
        return endpoint.partition("://")[2].partition("/")[0] if isinstance(endpoint, str) else "s3"
    return name


def _volume_options(volumes: Mapping[str, Mapping[str, object]]) -> Iterator[Disagreement]:
    for name, volume in volumes.items():
        url = volume.get("url")
        if not isinstance(url, str) or url.startswith("s3:"):
            continue
        for option in _S3_ONLY:
            if option in volume:
                yield Disagreement(
                    ("volumes", name, option), f"`{option}` is for s3:// volumes, this is {url}"
                )
        if "domain" not in volume:
            yield Disagreement(
                ("volumes", name, "domain"),
                "`domain` is missing: name what fails together with this volume (a disk, a machine)",
            )


def _volume_places(volumes: Mapping[str, Mapping[str, object]]) -> Iterator[Disagreement]:
    """No two volumes in one place, none inside another, none over what is the archive's own."""
    places: dict[str, str] = {}
    for name, volume in volumes.items():
        url = volume.get("url")
        if not isinstance(url, str):
            continue
        path: Path = ("volumes", name, "url")
        directory = volume_directory(url)
        place = url.rstrip("/") if directory is None else posixpath.normpath(directory)
        if directory is not None and (place == "." or set(place.split("/")) == {".."}):
            yield Disagreement(path, f"{url} is the archive's own directory or one around it, not a volume's")
        elif directory is not None and place.partition("/")[0] in OWN_DIRECTORIES:
            yield Disagreement(path, f"{url} is where the archive keeps its own {place.partition('/')[0]}")
        for other, name_there in places.items():
            if place == other:
                yield Disagreement(path, f"`{name}` lies where `{name_there}` lies already")
            elif place.startswith(f"{other}/") or other.startswith(f"{place}/"):
                yield Disagreement(path, f"`{name}` and `{name_there}` lie one inside the other")
        places[place] = name


def _tier_volumes(
    tiers: Mapping[str, Mapping[str, object]], volumes: Mapping[str, object]
) -> Iterator[Disagreement]:
    tier_of: dict[str, str] = {}
    for tier_name, tier in tiers.items():
        for position, volume in _texts(tier.get("volumes")):
            path: Path = ("tiers", tier_name, "volumes", position)
            if volume not in volumes:
                yield Disagreement(path, f"there is no volume `{volume}`", did_you_mean(volume, volumes))
            elif tier_of.get(volume) == tier_name:
                yield Disagreement(path, f"`{volume}` stands twice in this tier")
            elif volume in tier_of:
                yield Disagreement(
                    path,
                    f"`{volume}` is a volume of the tier `{tier_of[volume]}` already: give this tier another one "
                    "(it may lie in the same domain)",
                )
            tier_of.setdefault(volume, tier_name)


def _protection(
    path: Path, tier: Mapping[str, object], volumes: Mapping[str, Mapping[str, object]]
) -> Iterator[Disagreement]:
    protection = tier.get("protection")
    if not isinstance(protection, dict) or not isinstance(tier.get("volumes"), list):
        return
    path = (*path, "protection")
    has_copies, has_code = "copies" in protection, "data" in protection or "parity" in protection
    if has_copies == has_code:
        yield Disagreement(path, "say either `copies`, or `data` and `parity`")
        return
    if has_code and not ("data" in protection and "parity" in protection):
        yield Disagreement(path, "`data` and `parity` go together")
        return
    data = 1 if has_copies else _number(protection.get("data"))
    shards = _number(protection.get("copies")) if has_copies else data + _number(protection.get("parity"))
    parity = shards - data
    if data < 1 or parity < 0:
        return  # not numbers: said already
    names = [volume for _, volume in _texts(tier.get("volumes"))]
    here = len(set(names))
    if shards > SHARDS:
        yield Disagreement(path, f"{data}+{parity} are {shards} shards, {SHARDS} are the most")
    elif shards > here and has_copies:
        yield Disagreement(path, f"{shards} copies need {shards} volumes, this tier has {here}")
    elif shards > here:
        yield Disagreement(path, f"{data}+{parity} needs {shards} volumes, this tier has {here}")
    elif parity and tier.get("accept_single_domain") is not True and all(name in volumes for name in names):
        in_domain = Counter(domain_of(name, volumes[name]) for name in set(names))
        placeable = sum(min(count, parity) for count in in_domain.values())
        if placeable < shards:
            yield Disagreement(
                path,
                f"only {placeable} of {shards} shards can be placed with at most {parity} in one failure domain "
                f"({', '.join(sorted(in_domain))}): spread the volumes over more domains, "
                "or say `accept_single_domain: true`",
            )


def _journal_replicas(
    tiers: Mapping[str, Mapping[str, object]], volumes: Mapping[str, object]
) -> Iterator[Disagreement]:
    if not tiers:
        return
    online = {
        volume
        for tier in tiers.values()
        if tier.get("availability", "ONLINE") == "ONLINE"
        for _, volume in _texts(tier.get("volumes"))
        if volume in volumes
    }
    if len(online) < JOURNAL_REPLICAS:
        yield Disagreement(
            ("tiers",),
            f"the ONLINE tiers have {len(online)} volumes, journal and keyring need at least {JOURNAL_REPLICAS}",
        )


def _ae_titles(institutions: Mapping[str, object]) -> Iterator[Disagreement]:
    """An AE title says whose a received study is, so no two institutions share one."""
    owners: dict[str, list[str]] = defaultdict(list)
    for name, institution in institutions.items():
        for position, title in _texts(_mapping(institution).get("ae_titles")):
            if owners[title]:
                yield Disagreement(
                    ("institutions", name, "ae_titles", position),
                    f"`{title}` belongs to `{owners[title][0]}` already",
                )
            owners[title].append(name)


def _ports(listeners: Mapping[str, object]) -> Iterator[Disagreement]:
    dimse, web = _mapping(listeners.get("dimse")), _mapping(listeners.get("web"))
    if "port" in dimse and dimse.get("port") == web.get("port"):
        yield Disagreement(
            ("listeners", "web", "port"), f"port {web['port']} is the DICOM listener's already"
        )


def _web_tls(web: Mapping[str, object]) -> Iterator[Disagreement]:
    tls = _mapping(web.get("tls"))
    if tls.get("require_clients") is True and "clients" not in tls:
        path: Path = ("listeners", "web", "tls", "require_clients")
        yield Disagreement(path, "`clients` is missing: name who signs the certificates that are required")


def _access(access: Mapping[str, object], institutions: Mapping[str, object]) -> Iterator[Disagreement]:
    """What is granted is granted at an institution that there is, and a certificate acts for one alone."""
    owners: dict[str, str] = {}
    for institution, names in _mapping(access.get("certificates")).items():
        path: Path = ("access", "certificates", institution)
        if institution not in institutions:
            near = did_you_mean(institution, institutions)
            yield Disagreement(path, f"there is no institution `{institution}`", near)
        for name in _mapping(names):
            owner = owners.setdefault(name, institution)
            if owner != institution:
                yield Disagreement((*path, name), f"`{name}` acts for `{owner}` already")
    for provider, section in _mapping(access.get("providers")).items():
        grants = _mapping(section).get("grants")
        for position, grant in enumerate(grants if isinstance(grants, list) else []):
            named = _mapping(grant).get("institution")
            if isinstance(named, str) and named not in institutions:
                where: Path = ("access", "providers", provider, "grants", position, "institution")
                near = did_you_mean(named, institutions)
                yield Disagreement(where, f"there is no institution `{named}`", near)


def _peers(peers: Mapping[str, object]) -> Iterator[Disagreement]:
    """A certificate is shown with its key, or not at all."""
    for name, peer in peers.items():
        tls = _mapping(_mapping(peer).get("tls"))
        if ("certificate" in tls) != ("key" in tls):
            yield Disagreement(("peers", name, "tls"), "`certificate` and `key` go together")


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> list[tuple[int, str]]:
    """Return position and text of every text in a list."""
    return (
        [(i, item) for i, item in enumerate(value) if isinstance(item, str)]
        if isinstance(value, list)
        else []
    )


def _number(value: object) -> int:
    """Return a whole number, or one so low that every check of it ends."""
    return value if isinstance(value, int) and not isinstance(value, bool) else -1000
