"""What each kind of journal entry means for the catalog, one file for each aggregate (people, facts, policies …).

A file here owns its actions: their names, how their data and payloads are written and read, and how they are applied.
Applying an entry twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from retention.journal.envelope import Entry
from retention.services.entries import (
    access,
    approvals,
    config,
    disposal,
    drills,
    facts,
    hiding,
    holds,
    institutions,
    jobs,
    keys,
    people,
    policies,
    recalls,
    running,
    sealing,
    signing,
    studies,
)
from retention.services.entries.applying import Applying
from retention.services.events import STUDY_EXPORT

ACTIONS: Mapping[str, Callable[[Applying, Entry], None]] = {
    disposal.PROPOSE: disposal.apply_proposal,
    disposal.DESTROY: disposal.apply_destruction,
    disposal.REMOVE: disposal.apply_removal,
    disposal.CERTIFY: disposal.apply_certificate,
    hiding.INSTANCE_HIDE: hiding.apply_hide,
    holds.HOLD_PLACE: holds.apply_place,
    holds.HOLD_RELEASE: holds.apply_release,
    config.CONFIG_APPLY: config.apply,
    config.CONFIG_SEEN: config.apply_seen,
    institutions.INSTITUTION_ADD: institutions.apply,
    institutions.INSTITUTION_SET: institutions.apply,
    policies.POLICY_APPLY: policies.apply,
    people.PERSON_ADD: people.apply_add,
    people.PERSON_KEY: people.apply_key,
    people.PERSON_ROLE: people.apply_role,
    approvals.APPROVAL_REQUEST: approvals.apply_request,
    approvals.APPROVAL_GIVE: approvals.apply_give,
    signing.SIGNING_KEY: signing.apply_key,
    STUDY_EXPORT: studies.apply_export,
    recalls.RECALL_REQUEST: recalls.apply_request,
    recalls.RECALL_READY: recalls.apply_ready,
    recalls.RECALL_CANCEL: recalls.apply_cancel,
    recalls.RECALL_END: recalls.apply_end,
    sealing.SEAL: sealing.apply_seal,
    sealing.COSIGN: sealing.apply_cosigned,
    **access.ACTIONS,
    **drills.ACTIONS,
    **facts.ACTIONS,
    **jobs.ACTIONS,
    **keys.ACTIONS,
    **running.ACTIONS,
}
"""Every action that changes the catalog, beside the holdings' own in `services.projection`."""
