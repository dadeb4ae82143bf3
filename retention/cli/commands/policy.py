"""`policy new|schema|validate|test`: what writing a policy needs. No archive is opened, whether one is named or not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli import exit_codes
from retention.cli.commands import policy_force
from retention.cli.commands.policy_files import Paths, language, read_files, said
from retention.cli.invocation import Result, command, current
from retention.cli.names import require_known
from retention.cli.output import remark
from retention.cli.text import harmless, table_lines, toned

if TYPE_CHECKING:
    from retention.cli.documents.policy import (
        LibraryPolicy,
        PolicyDocument,
        PolicyExample,
        PolicyFileRow,
        PolicyNew,
        PolicyProblem,
        PolicySchema,
        PolicyTest,
        PolicyValidate,
    )
    from retention.policy.loading import Loaded, PolicyFile
    from retention.services.policies import ExampleRun


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Policies: write, check, test, compare, put in force, explain.")
    group.command("new")(new)
    group.command("schema")(schema)
    group.command("validate")(validate)
    group.command("test")(test)
    policy_force.add_to(group)
    app.add_typer(group, name="policy")


@command("policy new")
def new(
    from_: Annotated[
        str | None, typer.Option("--from", metavar="NAME", help="Which of the library (default: list them).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write it (default: show it).")
    ] = None,
) -> Result[PolicyNew]:
    """Start from a policy of the library, or list them."""
    from retention.services import policies

    known = policies.library_names()
    if from_ is None:
        if out is not None:
            raise current.usage_error("policy.which")
        listed = [_library_policy(name) for name in known]
        return _new(listed, _library_lines(listed))
    require_known("policy", from_, known)
    found = _library_policy(from_)
    text = found["text"] = policies.library_text(from_)
    if out is None:
        return _new([found], text.splitlines())
    file = out / f"{from_}.yaml" if out.is_dir() else out
    try:
        with file.open("x", encoding="utf-8") as written:
            written.write(text)
    except FileExistsError:
        raise current.usage_error("policy.exists", file=file) from None
    found["file"] = str(file)
    remark(current, current.say("policy.next", file=file))
    return _new([found], [current.say("policy.written", file=file)])


def _new(policies: list[LibraryPolicy], lines: Iterable[str]) -> Result[PolicyNew]:
    return Result({"policies": policies}, lines, rows="policies")


def _library_policy(name: str) -> LibraryPolicy:
    from retention.services import policies

    loaded = policies.library_entry(name)
    return {"name": name, "kind": loaded.document.kind, "title": _title(loaded), "text": None, "file": None}


def _library_lines(listed: Iterable[LibraryPolicy]) -> Iterator[str]:
    headings = [current.say(f"policy.{name}") for name in ("name", "kind", "title")]
    yield from table_lines(headings, ([each["name"], each["kind"], each["title"]] for each in listed))
    yield ""
    yield current.say("policy.copy")


@command("policy schema")
def schema() -> Result[PolicySchema]:
    """Print the JSON Schema of policy files, for editors."""
    from retention.policy.json_schema import policy_schema

    found = policy_schema()
    return Result({"schema": found}, [json.dumps(found, indent=2, ensure_ascii=False)])


@command("policy validate")
def validate(paths: Paths) -> Result[PolicyValidate]:
    """Check policy files: every fault, at its place."""
    files = read_files(paths)
    data: PolicyValidate = {
        "valid": not any(file.faults for file in files),
        "files": [_file_row(file) for file in files],
        "problems": [problem for file in files for problem in _problems(file)],
    }
    exit_code = exit_codes.DONE if data["valid"] else exit_codes.INVALID_FILE
    return Result(data, _validate_lines(files, len(data["problems"])), exit_code, rows="problems")


def _validate_lines(files: Sequence[PolicyFile], faults: int) -> Iterator[str]:
    for file in files:
        if file.faults:
            yield from _fault_lines(file)
            continue
        for loaded in file.documents:
            document = loaded.document
            status = toned("ok", current.say("policy.valid"))
            values = {"kind": document.kind, "name": document.name, "version": document.version}
            yield f"{status}  {current.say('policy.document', file=file.name, **values)}"
    yield current.say("policy.validated", faults=faults, **_counted(files))


@command("policy test")
def test(paths: Paths) -> Result[PolicyTest]:
    """Run the examples in policy files, and explain wrong ones."""
    from retention.services.policies import example_runs

    files = read_files(paths)
    run = [
        [each for loaded in file.documents for each in example_runs(loaded)] if not file.faults else []
        for file in files
    ]
    wrong = sum(1 for examples in run for each in examples if not each.holds)
    data: PolicyTest = {
        "valid": not any(file.faults for file in files),
        "held": sum(map(len, run)) - wrong,
        "wrong": wrong,
        "files": [_file_row(file) for file in files],
        "problems": [problem for file in files for problem in _problems(file)],
        "examples": [
            _example(file.name, each) for file, examples in zip(files, run, strict=True) for each in examples
        ],
    }
    exit_code = exit_codes.FINDINGS if wrong else exit_codes.DONE
    if not data["valid"]:
        exit_code = exit_codes.INVALID_FILE
    return Result(data, _test_lines(files, run), exit_code)


def _example(file: str, each: ExampleRun) -> PolicyExample:
    return {
        "file": file,
        "policy": each.document,
        "example": each.example,
        "holds": each.holds,
        "differences": [
            {
                "key": difference.key,
                "expected": difference.expected,
                "actual": difference.actual,
                "line": difference.fault.line,
                "column": difference.fault.column,
            }
            for difference in each.differences
        ],
        "sentences": [said(sentence) for sentence in each.sentences],
    }


def _test_lines(files: Sequence[PolicyFile], run: Sequence[Sequence[ExampleRun]]) -> Iterator[str]:
    for file, examples in zip(files, run, strict=True):
        if file.faults:
            yield from _fault_lines(file)
            continue
        wrong = [each for each in examples if not each.holds]
        tone, status = (
            ("failed", "wrong") if wrong else ("ok", "valid") if examples else ("warning", "untested")
        )
        held = len(examples) - len(wrong)
        text = current.say("policy.held", file=file.name, held=held, examples=len(examples))
        yield f"{toned(tone, current.say(f'policy.{status}'))}  {text}"
        for each in wrong:
            yield from _wrong_lines(file, each)
    all_run = [each.holds for examples in run for each in examples]
    held = sum(all_run)
    yield current.say("policy.tested", held=held, wrong=len(all_run) - held, **_counted(files))


def _counted(files: Sequence[PolicyFile]) -> dict[str, int]:
    return {"files": len(files), "invalid": sum(1 for file in files if file.faults)}


def _wrong_lines(file: PolicyFile, each: ExampleRun) -> Iterator[str]:
    """Tell what was expected, at its place, and what was decided instead, with its reasons."""
    from retention.markup.faults import render

    yield ""
    yield current.say("policy.example", policy=each.document, example=each.example)
    faults = [difference.fault for difference in each.differences]
    yield from _harmless_lines(render(file.name, file.text, faults, language()))
    yield current.say("policy.because")
    yield from (f"  {harmless(said(sentence))}" for sentence in each.sentences)
    yield ""


def _file_row(file: PolicyFile) -> PolicyFileRow:
    documents: list[PolicyDocument] = [
        {
            "kind": loaded.document.kind,
            "name": loaded.document.name,
            "version": loaded.document.version,
            "title": _title(loaded),
            "examples": len(loaded.document.examples),
        }
        for loaded in file.documents
    ]
    return {"file": file.name, "valid": not file.faults, "documents": documents}


def _problems(file: PolicyFile) -> Iterator[PolicyProblem]:
    for fault in file.faults:
        yield {
            "file": file.name,
            "line": fault.line,
            "column": fault.column,
            "length": fault.length,
            "where": fault.where,
            "message": fault.sentence(language()),
            "suggestion": fault.suggestion,
        }


def _fault_lines(file: PolicyFile) -> Iterator[str]:
    """Show every fault at its place, the heading coloured."""
    from retention.markup.faults import report

    heading, *shown = _harmless_lines(report(file.name, file.text, file.faults, language()))
    yield toned("failed", heading)
    yield from shown


def _harmless_lines(text: str) -> Iterator[str]:
    return (harmless(line) for line in text.split("\n"))


def _title(loaded: Loaded) -> str:
    from retention.services.policies import title_of

    return said(title_of(loaded))
