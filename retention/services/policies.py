"""Policy files before they are in force: the library they start from, what they say, what their examples come to.

Needs no archive, so a policy can be written anywhere. Nothing here changes how long anything is kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from importlib import resources
from pathlib import Path

from retention.markup.faults import Fault
from retention.markup.text import Text
from retention.markup.yaml_text import SIZE_BYTES
from retention.policy.decision import Decision
from retention.policy.documents import RetentionPolicy
from retention.policy.examples import ExampleResult, run_examples
from retention.policy.explain import explain, stay_sentence
from retention.policy.loading import Loaded, PolicyFile, read_policy_file
from retention.policy.plan_documents import StoragePlan
from retention.policy.record import decision_record

_ENDINGS = (".yaml", ".yml")
DEFAULT_PLAN = "standard"
"""The plan of a new institution, where it names none and that one is in force."""
_LIBRARY = resources.files("retention.policy").joinpath("library")


@dataclass(frozen=True, slots=True)
class Difference:
    """What an example expected and what came out, both as JSON values, and where the expectation stands."""

    key: str
    expected: object
    actual: object
    fault: Fault


@dataclass(frozen=True, slots=True)
class ExampleRun:
    """One example that was run. It holds if there are no `differences`; `sentences` say what was decided and why."""

    document: str
    example: str
    differences: tuple[Difference, ...]
    sentences: tuple[Text, ...]

    @property
    def holds(self) -> bool:
        return not self.differences


def library_names() -> list[str]:
    """Return the names of the policies and storage plans of the library, sorted."""
    files = sorted(file.name for file in _LIBRARY.iterdir())
    return [name.removesuffix(".yaml") for name in files if name.endswith(".yaml")]


def library_text(name: str) -> str:
    """Return the file of one of `library_names()`, comments included."""
    return _LIBRARY.joinpath(f"{name}.yaml").read_text("utf-8")


def library_files() -> list[tuple[str, str]]:
    """Return name and text of every file of the library, sorted."""
    return sorted((file.name, file.read_text("utf-8")) for file in _LIBRARY.iterdir())


def library_entry(name: str) -> Loaded:
    """Return what one of `library_names()` says."""
    (loaded,) = read_policy_file(library_text(name), f"{name}.yaml").documents
    return loaded


def title_of(loaded: Loaded) -> Text:
    """Return what people call a document: its name, where it has no title."""
    return title_of_document(loaded.document)


def title_of_document(document: RetentionPolicy | StoragePlan) -> Text:
    """As `title_of`, of a document alone."""
    title, name = document.title, document.name
    english, french = (None, None) if title is None else (title.en, title.fr)
    return Text(english or french or name, french or english or name)


def files_below(path: Path) -> list[Path]:
    """Return the policy files in a folder and its folders, sorted; a file stands for itself.

    What begins with a dot is left out: editors and version control keep their own there. Raises OSError where a
    folder cannot be read.
    """
    if not path.is_dir():
        return [path]
    found: list[Path] = []
    for folder, folders, names in os.walk(path, onerror=_stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        here = Path(folder)
        found += [here / name for name in names if name.endswith(_ENDINGS) and not name.startswith(".")]
    return sorted(found)


def read_files(paths: Iterable[Path]) -> list[PolicyFile]:
    """Read policy files, each once, of any size: what is too large is a fault of that file. Raises OSError."""
    once: dict[Path, Path] = {}
    for path in paths:
        once.setdefault(path.resolve(), path)
    return [read_policy_file(_bytes_of(path), str(path)) for path in once.values()]


def example_runs(loaded: Loaded) -> Iterator[ExampleRun]:
    """Run the examples of one document."""
    expectations = [example.expect.model_dump(mode="json") for example in loaded.document.examples]
    for expected, result in zip(expectations, run_examples(loaded), strict=True):
        actual = _actual(result)
        yield ExampleRun(
            result.document,
            result.example,
            tuple(
                Difference(key, expected[key], actual[key], fault)
                for fault in result.differences
                for key in [fault.where.rpartition(".")[2]]
            ),
            _sentences(result),
        )


def _actual(result: ExampleResult) -> dict[str, object]:
    if isinstance(result.outcome, Decision):
        return decision_record(result.outcome)
    stay = result.outcome._asdict()
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in stay.items()}


def _sentences(result: ExampleResult) -> tuple[Text, ...]:
    if isinstance(result.outcome, Decision):
        return tuple(explain(result.outcome))
    return (stay_sentence(result.outcome),)


def _bytes_of(path: Path) -> bytes:
    """Return the file's bytes, one more than is allowed at most."""
    with path.open("rb") as file:
        return file.read(SIZE_BYTES + 1)


def _stop(error: OSError) -> None:
    raise error
