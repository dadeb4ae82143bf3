"""From the text of a policy file to documents, or to everything that is wrong with it.

One file may hold several documents (`---`). Nothing is guessed, converted or ignored. All faults are found in one
reading: of YAML, of shape, of values and of agreement, each at its place, in both languages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from retention.markup.faults import Fault, did_you_mean, in_order, report
from retention.markup.text import Language, Text
from retention.markup.yaml_text import Path, YamlText, read_documents
from retention.model.errors import PolicyError
from retention.policy.checks import (
    Disagreement,
    boolean_of,
    declared_kinds,
    plan_disagreements,
    policy_disagreements,
)
from retention.policy.documents import Document, RetentionPolicy
from retention.policy.messages import FOUND, MESSAGES
from retention.policy.plan_documents import StoragePlan
from retention.policy.shape import keys_at

_KINDS: dict[str, type[RetentionPolicy | StoragePlan]] = {
    "RetentionPolicy": RetentionPolicy,
    "StoragePlan": StoragePlan,
}
_NULLS_MEAN_NOTHING = {"study", "expect", "later_studies"}
_SAME_AS = {"model_type": "dict_type", "model_attributes_type": "dict_type", "int_from_float": "int_type"}


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
        document, faults = _document(text)
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


def _document(text: YamlText) -> tuple[RetentionPolicy | StoragePlan | None, list[Fault]]:
    if text.value is None:
        return None, text.faults or [text.fault_at((), MESSAGES["no_document"])]
    if not isinstance(text.value, dict):
        return None, [*text.faults, text.fault_at((), MESSAGES["no_document"])]
    kind = _kind_of(text.value)
    document, shape = _validate(text, kind)
    faults = list(text.faults)
    said: set[str] = set()
    for found in (list(_scalars(text)), shape, _disagreements(text, kind)):
        # What was said of a place by an earlier look is not said again in other words by a later one.
        places = {(fault.line, fault.column) for fault in faults}
        new = [
            fault for fault in found if fault.where not in said and (fault.line, fault.column) not in places
        ]
        said |= {fault.where for fault in found}
        faults += new
    return (None if faults else document), faults


def _kind_of(value: dict[str, object]) -> type[RetentionPolicy | StoragePlan]:
    kind = str(value.get("kind"))
    guess = kind if kind in _KINDS else did_you_mean(kind, _KINDS)
    if guess is None:
        return StoragePlan if "tiers" in value and "rules" not in value else RetentionPolicy
    return _KINDS[guess]


def _scalars(text: YamlText) -> Iterator[Fault]:
    """Yield words that YAML 1.1 readers take for booleans, and keys with nothing behind them."""
    for path, node in text.nodes.items():
        value = _at(text.value, path)
        is_alias = text.text.startswith("*", node.value.start)
        if (
            value is None
            and not is_alias
            and not (path[0] == "examples" and _NULLS_MEAN_NOTHING & set(path[2:-1]))
        ):
            yield text.fault_at(path, MESSAGES["empty"].format(key=path[-1] if path else ""), at_key=True)
        boolean = boolean_of(value) if node.is_plain and isinstance(value, str) else None
        if boolean is not None:
            written = str(boolean).lower()
            yield text.fault_at(path, MESSAGES["yaml_1_1"].format(word=value, boolean=written))


def _at(value: object, path: Path) -> object:
    for step in path:
        if isinstance(value, dict):
            value = value.get(str(step))
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step]
    return value


def _validate(
    text: YamlText, kind: type[RetentionPolicy | StoragePlan]
) -> tuple[RetentionPolicy | StoragePlan | None, list[Fault]]:
    try:
        return kind.model_validate(text.value, context={"kinds": declared_kinds(text.value)}), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    guesses = {
        detail["loc"]: _respelt(kind, detail) for detail in details if detail["type"] == "extra_forbidden"
    }
    meant = {(*path[:-1], guess) for path, guess in guesses.items() if guess is not None}
    # A key that is only misspelt is one mistake, not a missing one as well.
    return None, [
        _fault(text, kind, detail, guesses.get(detail["loc"]))
        for detail in details
        if detail["type"] != "missing" or detail["loc"] not in meant
    ]


def _respelt(kind: type[Document], detail: ErrorDetails) -> str | None:
    path = detail["loc"]
    return did_you_mean(str(path[-1]), keys_at(kind, path[:-1]))


def _fault(text: YamlText, document: type[Document], detail: ErrorDetails, guess: str | None) -> Fault:
    path: Path = detail["loc"]
    kind = _SAME_AS.get(detail["type"], detail["type"])
    context = {name: str(value) for name, value in detail.get("ctx", {}).items()}
    at_key = kind == "extra_forbidden"
    if path and path[-1] == "[key]":
        path, at_key = path[:-1], True
    if path and path not in text.nodes and path[-1] == 0:
        path = path[:-1]  # a list of one, written without brackets
    context["key"] = str(path[-1]) if path else ""
    context["detail"] = detail["msg"]
    if kind == "extra_forbidden" and guess is None:
        kind, context["known"] = "extra_with_list", ", ".join(keys_at(document, path[:-1]))
    message = MESSAGES.get(kind, MESSAGES["other"])
    found = FOUND.get(type(detail["input"]), Text("something else", "autre chose"))
    suggestion = guess or detail.get("ctx", {}).get("suggestion")
    return text.fault_at(path, message.format(**context, found=found), at_key=at_key, suggestion=suggestion)


def _disagreements(text: YamlText, kind: type[Document]) -> list[Fault]:
    look = policy_disagreements if kind is RetentionPolicy else plan_disagreements
    return [_disagreement_fault(text, found) for found in look(text.value)]


def _disagreement_fault(text: YamlText, found: Disagreement) -> Fault:
    return text.fault_at(found.path, MESSAGES[found.kind].format(**found.values), at_key=found.at_key)


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
