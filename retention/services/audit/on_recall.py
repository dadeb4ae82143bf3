"""What a recall brought within reach is audited while it is: `on_recall: full` of the storage plan (policy.md, Fixity).

Whoever waits for a study has it first; then the shards that the slow tier gave out are read whole, and what was found
is recorded as any audit's is. What it did not give out stays unread, and does not count as verified.
"""

from __future__ import annotations

from collections.abc import Iterable

from retention.catalog.records import PackageSummary
from retention.policy.plan import fixity_of
from retention.services import decisions
from retention.services.audit.audit import Audit, AuditReport, Task
from retention.services.progress import NoProgress
from retention.services.sessions import Session
from retention.services.stores import Stores

MODE = "recall"


def audit_recalled(
    stores: Stores, session: Session, packages: Iterable[PackageSummary]
) -> AuditReport | None:
    """Audit those packages whose institution's plan asks for it; None if there are none.

    Raises StorageError when the journal cannot be written, never for damage.
    """
    recalled = list(packages)
    if not recalled:
        return None
    with stores.catalog.deciding() as view:
        bounds = decisions.governed(view)
    wanted = [
        package
        for package in recalled
        if (plan := bounds[package.institution_id].plan) is not None
        and fixity_of([plan.document], package.tier).is_full_on_recall
    ]
    if not wanted:
        return None
    audit = Audit(stores, session, MODE)
    audit.run(map(Task, wanted), NoProgress())
    audit.commit()
    return audit.report
