"""From the text of a policy file to documents, or to everything that is wrong with it.

One file may hold several documents (`---`). Nothing is guessed, converted or ignored. All faults are found in one
reading: of YAML, of shape, of values and of agreement, each at its place, in both languages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from retention.markup.faults import Fault, did_you_mean, in_order, report
from retention.markup.text import Language, Text
from retention.markup.yaml_text import Path, YamlText, read_documents
from retention.model.errors import PolicyError
from retention.policy.documents import RetentionPolicy
from retention.policy.messages import MESSAGES
from retention.policy.plan_documents import StoragePlan
from retention.policy.validation import validate


@dataclass(frozen=True, slots=True)
class Loaded:
    """A document, where its keys stand, and its `source`: how it was written, comments included."""

    document: RetentionPolicy | StoragePlan
    text: YamlText
    source: str

    def place(self, path: Path) -> Fault:
        """Return an empty fault at `path`, for messages about what the document says."""
        return self.text.fault_at(path, "")


@dataclass(slots=True)
class PolicyFile:
    """What a file says. `documents` are those without a fault; `faults` are in the order of the file."""

    name: str
    text: str
    documents: list[Loaded] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def policies(self) -> list[RetentionPolicy]:
        return [loaded.document for loaded in self.documents if isinstance(loaded.document, RetentionPolicy)]

    @property
    def plans(self) -> list[StoragePlan]:
        return [loaded.document for loaded in self.documents if isinstance(loaded.document, StoragePlan)]


def read_policy_file(data: bytes | str, name: str) -> PolicyFile:
    """Read a policy file. Never raises: whatever is wrong is among the result's faults."""
    texts = read_documents(data)
    file = PolicyFile(name, texts[0].text)
    ends = [*(text.start.start for text in texts[1:]), len(file.text)]
    for text, end in zip(texts, ends, strict=True):
        document, faults = validate(text)
        file.faults += faults
        if document is not None:
            source = file.text[text.start.end : end].strip("\n") + "\n"
            file.documents.append(Loaded(document, text, source))
    file.faults = in_order([*file.faults, *_same_names(file.documents)])
    return file


def load_policies(data: bytes | str, name: str, language: Language = "en") -> PolicyFile:
    """Read a policy file. Raises PolicyError whose message shows every fault (also in `context["faults"]`)."""
    file = read_policy_file(data, name)
    if file.faults:
        raise policy_error([file], language)
    return file


def policy_error(files: Sequence[PolicyFile], language: Language = "en") -> PolicyError:
    """Return the one error that shows the faults of all `files`."""
    wrong = [file for file in files if file.faults]
    hint = Text(
        "correct the file, then run the command again", "corrigez le fichier, puis relancez la commande"
    )
    return PolicyError(
        "\n".join(report(file.name, file.text, file.faults, language) for file in wrong),
        hint=hint.fr if language == "fr" else hint.en,
        files=[file.name for file in wrong],
        faults={file.name: file.faults for file in wrong},
    )


def unknown_tiers(loaded: Loaded, tiers: Iterable[str]) -> list[Fault]:
    """Return a fault for each tier a storage plan names that the archive does not have (policy.md, Tiers)."""
    known = list(tiers)
    plan = loaded.document
    if not isinstance(plan, StoragePlan):
        return []
    rows: list[tuple[Path, str]] = [(("tiers", n, "tier"), row.tier) for n, row in enumerate(plan.tiers)]
    for index, entry in enumerate(plan.tiers_for):
        rows += [(("tiers_for", index, "tiers", n, "tier"), row.tier) for n, row in enumerate(entry.tiers)]
    rows += [(("fixity", tier), tier) for tier in plan.fixity]
    return [
        loaded.text.fault_at(
            path,
            MESSAGES["unknown_tier"].format(word=tier, known=", ".join(known)),
            at_key=path[0] == "fixity",
            suggestion=did_you_mean(tier, known),
        )
        for path, tier in rows
        if tier not in known
    ]


def taken_version(loaded: Loaded, taken: Iterable[int]) -> Fault:
    """Return the fault of a new text under a version that said something else before; `taken` are all there were."""
    document = loaded.document
    path = ("version",) if "version" in document.model_fields_set else ("name",)
    message = MESSAGES["version_taken"].format(name=document.name, version=document.version)
    return loaded.text.fault_at(path, message, suggestion=str(max(taken) + 1))


def second_of_a_name(loaded: Loaded) -> Fault:
    """Return the fault of a document whose name stands in another one that is to be in force as well."""
    message = MESSAGES["one_version_at_once"].format(name=loaded.document.name)
    return loaded.text.fault_at(("name",), message)


def _same_names(documents: Iterable[Loaded]) -> Iterator[Fault]:
    first: dict[tuple[str, str, int], Loaded] = {}
    for loaded in documents:
        document = loaded.document
        key = (document.kind, document.name, document.version)
        other = first.setdefault(key, loaded)
        if other is not loaded:
            line = other.place(("name",)).line
            values = {"kind": document.kind, "name": document.name, "line": line}
            yield loaded.text.fault_at(("name",), MESSAGES["same_policy_twice"].format(**values))
