"""Errors in French: every text of every error has a translation, and none is left over."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import retention
from retention.cli.translating import tables_of, translated
from tests.cli.calling import retention as program
from tests.cli.error_texts import Module

ROOT = Path(retention.__file__).parent
DOORS = ("web", "dimse")
"""What only these say is an answer of a protocol, in English."""
FINDINGS = {
    "CatalogProblem",
    "Check",
    "Disagreement",
    "Finding",
    "HistoryProblem",
    "JournalProblem",
    "KeyringProblem",
    "SealProblem",
    "Wrong",
}
"""What commands show of what they found, in the archive and in archive.yaml."""
ERRORS = tables_of("fr")["errors"]
PHRASES = tables_of("fr")["phrases"]
MODULES = {path.relative_to(ROOT): Module(path) for path in sorted(ROOT.rglob("*.py"))}
SOURCE = {text for module in MODULES.values() for text in module.plain()}


def _said() -> Iterator[tuple[str, Module, ast.expr]]:
    """Every expression that is an error's message or hint, and where it stands."""
    for path, module in MODULES.items():
        if path.parts[0] not in DOORS:
            for line, said in module.said():
                yield f"{path}:{line}", module, said


def test_every_text_of_every_error_is_translated():
    lacking = [
        f"{where}: {text}"
        for where, module, said in _said()
        for text in module.texts(said)
        if text not in ERRORS
    ]
    assert lacking == []


def test_every_phrase_that_is_filled_into_an_error_is_translated():
    lacking = [
        f"{where}: {text}"
        for where, module, said in _said()
        for text in module.filled_in(said)
        if " " in text and text not in ERRORS and text not in PHRASES
    ]
    assert lacking == []


def test_every_text_of_every_finding_is_translated():
    lacking = [
        f"{path}: {text}"
        for path, module in MODULES.items()
        if path.parts[0] not in DOORS
        for said in module.arguments(FINDINGS)
        for text in (*module.texts(said), *module.filled_in(said))
        if re.search(" [a-z]|[a-z] ", text) and text not in ERRORS and text not in PHRASES
    ]
    assert lacking == []


def test_what_a_text_is_made_of_is_found_wherever_it_was_written(tmp_path):
    file = tmp_path / "source.py"
    file.write_text(
        "def refuse(why, hint='try'):\n"
        "    what = f'no {kind}' + (f' ({x}, {y})' if x else '')\n"
        "    raise StorageError(f'{what}: {why}', hint=hint)\n"
        "def other():\n"
        "    raise refuse('a b' if late else 'c d', hint='stop')\n"
    )
    module = Module(file)
    texts = [list(module.texts(said)) for _, said in module.said()]
    assert texts == [["{0}: {1}"], ["try", "stop"]]
    filled = {text for _, said in module.said() for text in module.filled_in(said)}
    assert filled == {"no {0} ({1}, {2})", "no {0}", "a b", "c d"}


@pytest.mark.parametrize("table", [ERRORS, PHRASES], ids=["errors", "phrases"])
def test_nothing_is_translated_that_nobody_says(table):
    foreign = "input should be"  # pydantic says so
    assert [text for text in table if text not in SOURCE and not text.startswith(foreign)] == []


@pytest.mark.parametrize("table", [ERRORS, PHRASES], ids=["errors", "phrases"])
def test_a_translation_says_everything_that_is_filled_in(table):
    def places(text: str) -> set[str]:
        return set(re.findall(r"\{\d+\}", text))

    assert [text for text, said in table.items() if places(text) != places(said)] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "Bob does not have the role archivist or administrator at necker",
            "Bob n'a pas le rôle archivist ou administrator à necker",
        ),
        ("the signature of dim_physician comes next", "la signature de dim_physician vient ensuite"),
        (
            "the grace after the last approval ends on 2027-01-01",
            "le délai après la dernière approbation court jusqu'au 2027-01-01",
        ),
        (
            "archive.yaml lets records go earlier or with less control:\n  a\n  b",
            "archive.yaml laisse partir des dossiers plus tôt ou avec moins de contrôle :\n  a\n  b",
        ),
        (
            "no replica of the journal can be read (volume a: it is read-only; b: no place)",
            "aucune réplique du journal ne peut être lue (volume a : il est en lecture seule ; b : no place)",
        ),
        (
            "volume a: it ends too early; what was written there and not yet confirmed is condemned",
            "volume a : il finit trop tôt ; ce qui y a été écrit et n'est pas encore confirmé est condamné",
        ),
        (
            "survives the loss of 2 volumes, of the disk they share: none",
            "survit à la perte de 2 volumes ; du disque qu'ils partagent : non",
        ),
        ("CONFLICT: last_visit_unconfirmed", "CONFLICT : dernier passage non confirmé"),
        ("something that nobody has translated", "something that nobody has translated"),
    ],
)
def test_what_is_filled_in_is_kept_and_phrases_are_translated_too(text, said):
    assert translated(text, "fr") == said
    assert translated(text, "en") == text


def test_the_program_refuses_in_french_on_the_terminal_and_in_json(archive):
    words = ("--archive", archive, "--lang", "fr", "hold", "release", "ffff", "--reason", "x")
    told = program(*words)
    assert "il n'y a pas de gel ffff" in told.err
    assert program("--json", *words).error["hint"] == "retention hold list les montre"


def test_what_a_command_finds_is_french_for_people_and_english_for_programs(archive):
    words = ("--archive", archive, "--lang", "fr", "doctor")
    assert "catalogue : son propre contrôle ne trouve rien" in program(*words).out
    assert program("--json", *words).data["checks"][0]["detail"] == "its own check finds nothing"


def test_what_is_wrong_with_a_configuration_file_is_said_in_french(tmp_path):
    (tmp_path / "archive.yaml").write_text(
        "apiVersion: retention/v1\nname: 'no name!'\nvolumes: {a: {url: 'file:a', domain: d, size: 3}}\n"
        "tiers: {hot: {volumes: [b], protection: {copies: 2}, availability: SOON}}\njournal: {seal_every: soon}\n"
    )
    refused = program("--archive", tmp_path, "--lang", "fr", "config", "check")
    told = refused.err
    assert refused.code == 5
    for said in (
        "n'est pas un nom d'archive", "clé inconnue `size`", "il n'y a pas de volume `b`", "`SOON` n'est aucun de",
        "n'est pas une durée ISO 8601",
    ):  # fmt: skip
        assert said in told
    assert " is " not in told
