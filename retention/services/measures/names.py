"""Every measure there is: its name, what it says, and by what it is divided. Alert rules may rest on these names.

The invariant: labels name institutions, tiers, volumes, states and actions of this archive, never a patient, a study
or a person; so their number stays small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "retention_"


@dataclass(frozen=True, slots=True)
class Kind:
    """One measure. `is_total`: it only ever grows (its samples end in `_total`)."""

    name: str
    says: str
    labels: tuple[str, ...] = ()
    is_total: bool = False


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("up", "Whether the archive can work now (1) or not (0)."),
        Kind("info", "Always 1; the program's version.", ("version",)),
        Kind("measured_timestamp_seconds", "When the sums over the catalog were made."),
        Kind("studies", "Studies held, on each tier they have a part on.", ("institution", "tier")),
        Kind("instances", "Instances held.", ("institution", "tier")),
        Kind("received_bytes", "Size of what is held, as received.", ("institution", "tier")),
        Kind(
            "stored_bytes",
            "Size of what is held, as stored, parity and copies included.",
            ("institution", "tier"),
        ),
        Kind("studies_in_state", "Studies by the decision about them.", ("institution", "state")),
        Kind("packages", "Packages in force.", ("tier",)),
        Kind("packages_lost", "Packages that an audit found lost.", ("tier",)),
        Kind("packages_read_within_days", "Packages read back whole within so many days.", ("tier", "days")),
        Kind(
            "audit_oldest_timestamp_seconds",
            "When the package that waits longest was last read whole.",
            ("tier",),
        ),
        Kind("audit_last_timestamp_seconds", "When an audit last wrote down what it found."),
        Kind(
            "shards_flawed", "Shards that are not sound: missing, corrupt or not placed.", ("tier", "state")
        ),
        Kind("audit_packages", "Packages that audits looked at.", is_total=True),
        Kind("audit_findings", "Findings of audits.", is_total=True),
        Kind("audit_lost", "Packages that audits found lost.", is_total=True),
        Kind("repairs", "Repairs of packages.", is_total=True),
        Kind("moves", "Packages that changed their tier.", is_total=True),
        Kind("journal_entries", "Entries of the journal.", ("action",), is_total=True),
        Kind("journal_size", "How many entries the journal has."),
        Kind("journal_last_timestamp_seconds", "When the last entry was made."),
        Kind("seal_last_timestamp_seconds", "When the journal was last sealed."),
        Kind("seals_without_timestamp", "Seals that no authority has stamped."),
        Kind("timestamp_last_timestamp_seconds", "When an authority last stamped a seal."),
        Kind("staging_bytes", "Size of the logs of what was received and is not packed yet, without copies."),
        Kind("disclosures_waiting", "Files of disclosures that the full journal had no room for."),
        Kind("approvals_pending", "Requests that wait for somebody's approval."),
        Kind("recalls_open", "Recalls that are asked for or ready.", ("state",)),
        Kind("volume_up", "Whether the volume answers and is the right one (1) or not (0).", ("volume",)),
        Kind("volume_free_bytes", "Free space on the volume.", ("volume",)),
        Kind("volume_size_bytes", "Size of the volume.", ("volume",)),
        Kind("job_last_success_timestamp_seconds", "When a scheduled job last ended well.", ("job",)),
        Kind("job_failing", "Whether a scheduled job's last run failed (1) or not (0).", ("job",)),
        Kind("job_paused", "Whether a scheduled job is paused (1) or not (0).", ("job",)),
    )
}
