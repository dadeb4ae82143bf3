"""The story: what is done in which order, said in plain words, and what each step has to prove."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from retention.cli import exit_codes
from retention.cli.commands.archive import ingest_counts
from retention.cli.demo import damage
from retention.cli.demo.doors import Doors, OpenDoors
from retention.cli.demo.life import Life
from retention.cli.demo.proof import Comparison, Sources, compare
from retention.cli.demo.stage import Show, Stage, Step
from retention.cli.demo.twenty_years import TwentyYears
from retention.cli.demo.years import Years
from retention.cli.invocation import Result, current
from retention.cli.text import size_text, table_lines, toned
from retention.dicom.samples import sample_folder
from retention.model.clock import SystemClock
from retention.model.findings import Health
from retention.model.identifiers import new_id
from retention.settings.environment import ROOT_KEY_FILE

if TYPE_CHECKING:
    from retention.cli.documents.demo import Demo

FIRST, SECOND = "necker", "cochin"
DEAD = ("cold-2", "cold-5")
DECAYED = ("cold-1", "cold-4", "hot-a")
LEFT = ("cold-3", "cold-1", "cold-6", "cold-4")
RECOVER_NOTES = ".reason.txt"
"""What recover.py writes beside what it takes out of quarantine."""

SHOWN_STUDIES = 4


def tell(dicom: Path | None, keep: Path | None, show: Show) -> Result[Demo]:
    """Tell the story with the user's files, or with pydicom's. Raises UsageError, and whatever stops a step."""
    os.environ.pop(ROOT_KEY_FILE, None)  # it names the key of an archive that is not this one
    samples = sample_folder()
    if samples is None:
        raise current.usage_error("demo.nothing", folder="pydicom")
    folder = samples if dicom is None else dicom
    with _workspace() as workspace:
        sources = Sources.below(folder)
        if not sources.files:
            raise current.usage_error("demo.nothing", folder=folder)
        life = Life(keep or workspace / "archive", current.progress())
        clock, stage = SystemClock(), Stage(show)
        began_s = clock.monotonic_s()
        story = Story(life, folder, sources, workspace, stage)
        story.tell()
        years = Years(workspace / "rehearsal", life.progress)
        OpenDoors(stage, Doors(workspace / "doors"), sources).tell()
        TwentyYears(stage, years, samples, life.root, workspace).tell()
        story.seconds = clock.monotonic_s() - began_s
    return _result(story, is_kept=keep is not None)


@contextmanager
def _workspace() -> Iterator[Path]:
    """Make a folder that is gone afterwards, whatever happens."""
    parent = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108  # a name nobody can guess, and mkdir takes no other's
    folder = Path(parent) / f"retention-demo-{new_id()[:12]}"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(slots=True)
class Story:
    """Everything in its order. `workspace` takes what is given back; it is empty at first."""

    life: Life
    folder: Path
    sources: Sources
    workspace: Path
    stage: Stage
    returned: list[Comparison] = field(default_factory=list)
    """What came back at the end, for each of the two hospitals."""
    seconds: float = 0.0

    @property
    def equal(self) -> int:
        """How many source files came back with every byte, for both hospitals."""
        return min((each.equal for each in self.returned), default=0)

    @property
    def reencoded(self) -> int:
        return max((len(each.reencoded) for each in self.returned), default=0)

    def tell(self) -> None:
        files, size = len(self.sources.files), size_text(self.sources.size_bytes)
        self.stage.show(current.say("demo.opening", files=files, size=size, folder=self.folder))
        self._begin()
        self._keep(FIRST, "hot")
        self._keep(SECOND, "cold")
        self._look()
        self._lose_disks()
        self._decay()
        self._lose_catalog()
        self._give_back()
        self._do_without()

    def _begin(self) -> None:
        with self.stage.step("begin", archive=self.life.root) as step:
            settings = self.life.begin("demo")
            volumes = len(settings.volumes)
            self.stage.say("begin_done", volumes=volumes)
            step.prove(
                settings.volumes.keys() >= {*DEAD, *DECAYED, *LEFT},
                volumes=volumes,
                tiers=len(settings.tiers),
            )

    def _keep(self, institution: str, tier: str) -> None:
        with self.stage.step("keep", institution=institution, tier=tier, folder=self.folder) as step:
            report = self.life.keep(self.folder, institution, tier)
            for line in ingest_counts(report):
                self.stage.show(f"   {line}")
            self.stage.say("keep_done")
            stored = report.stored + report.conflicts + report.quarantined
            taken = stored + report.duplicates + report.reencoded
            step.prove(taken == len(self.sources.files), taken=taken, files=len(self.sources.files))

    def _look(self) -> None:
        with self.stage.step("look") as step:
            held = self.life.held()
            for study in held[:SHOWN_STUDIES]:
                self.stage.say(
                    "look_study",
                    uid=study.study_uid,
                    institution=study.institution,
                    tiers=", ".join(study.tiers),
                )
            self.stage.say("look_more", more=max(0, len(held) - SHOWN_STUDIES))
            sound = sum(study.health is Health.SOUND for study in held)
            step.prove(sound == len(held) > 0, sound=sound, studies=len(held))

    def _lose_disks(self) -> None:
        with self.stage.step("disks", volumes=" ".join(DEAD)) as step:
            lost = sum(damage.empty(self.life.root / volume) for volume in DEAD)
            self.stage.say("disks_gone", files=lost)
            self.life.give_back(SECOND, self.workspace / "meanwhile")
            meanwhile = compare(self.sources.files, self.workspace / "meanwhile")
            files = len(self.sources.files)
            self.stage.say("disks_meanwhile", institution=SECOND, equal=meanwhile.equal, files=files)
            self._mend(step)
            step.proven = step.proven and meanwhile.is_proof

    def _decay(self) -> None:
        with self.stage.step("decay", volumes=" ".join(DECAYED)) as step:
            flipped = sum(damage.flip_a_bit_everywhere(self.life.root / volume) for volume in DECAYED)
            self.stage.say("decay_done", files=flipped)
            self._mend(step)

    def _mend(self, step: Step) -> None:
        """Audit twice: the first one has to find and repair everything, the second to find nothing."""
        first = self.life.audit()
        findings, repaired = len(first.findings), sum(finding.repaired for finding in first.findings)
        self.stage.say("audit_first", findings=findings, damaged=first.damaged, repaired=first.repaired)
        left = len(self.life.audit().findings)
        self.stage.say("audit_second", left=left)
        is_mended = findings == repaired > 0 and first.repaired == first.damaged > 0
        step.prove(is_mended and not left and not first.lost, findings=findings, repaired=repaired, left=left)

    def _lose_catalog(self) -> None:
        with self.stage.step("catalog") as step:
            before = self.life.held()
            damage.lose_catalog(self.life.root)
            error = self.life.missing_catalog()
            if error is not None:
                self.stage.say("catalog_gone", message=error.message, hint=error.hint)
            report = self.life.rebuild()
            after = self.life.held()
            self.stage.say("catalog_back", entries=report.entries)
            same = sum(study in after for study in before)
            step.prove(error is not None and before == after, same=same, before=len(before))

    def _give_back(self) -> None:
        with self.stage.step("export") as step:
            for institution in (FIRST, SECOND):
                out = self.workspace / "given-back" / institution
                self.life.give_back(institution, out)
                self.returned.append(self._compared(out))
            self._prove_return(step, self.returned)

    def _do_without(self) -> None:
        with self.stage.step("alone", first=LEFT[0], volumes=" ".join(LEFT)) as step:
            out = self.workspace / "recovered"
            complaint = self.life.recover_alone(LEFT, out)
            if complaint is not None:
                self.stage.say("alone_complaint", complaint=complaint)
            self._prove_return(step, [self._compared(out, notes=RECOVER_NOTES)])
            step.proven = step.proven and complaint is None

    def _prove_return(self, step: Step, found: Sequence[Comparison]) -> None:
        """Say how much came back equal, and how much, if anything, only as the data set of another file."""
        equal, reencoded = sum(each.equal for each in found), sum(len(each.reencoded) for each in found)
        step.prove(
            all(each.is_proof for each in found),
            variant="_reencoded" if reencoded else "",
            equal=equal,
            reencoded=reencoded,
            files=len(found) * len(self.sources.files),
        )

    def _compared(self, out: Path, notes: str | None = None) -> Comparison:
        found = compare(self.sources.files, out, notes)
        self.stage.say("compared", equal=found.equal, absent=len(found.absent), strange=len(found.strange))
        if found.reencoded:
            self.stage.say("compared_reencoded", count=len(found.reencoded))
        for path in (*found.absent, *found.strange):
            self.stage.say("compared_path", path=path)
        return found


def _result(story: Story, *, is_kept: bool) -> Result[Demo]:
    proven = all(step.proven for step in story.stage.steps)
    data: Demo = {
        "archive": str(story.life.root),
        "kept": is_kept,
        "files": len(story.sources.files),
        "equal": story.equal,
        "reencoded": story.reencoded,
        "bytes": story.sources.size_bytes,
        "proven": proven,
        "seconds": round(story.seconds, 3),
        "steps": [
            {
                "step": step.title,
                "proven": step.proven,
                "outcome": step.outcome,
                "seconds": round(step.seconds, 3),
            }
            for step in story.stage.steps
        ],
    }
    return Result(data, _closing(story, proven, is_kept), exit_codes.DONE if proven else exit_codes.FINDINGS)


def _closing(story: Story, proven: bool, is_kept: bool) -> Iterator[str]:
    yield ""
    yield from table_lines(
        [current.say(f"demo.column_{name}") for name in ("step", "proven", "outcome", "seconds")],
        (
            [step.title, "ok" if step.proven else "failed", step.outcome, f"{step.seconds:.1f}"]
            for step in story.stage.steps
        ),
    )
    yield ""
    key = "demo.not_proven" if not proven else "demo.proven_reencoded" if story.reencoded else "demo.proven"
    verdict = current.say(
        key,
        files=len(story.sources.files),
        equal=story.equal,
        reencoded=story.reencoded,
        size=size_text(story.sources.size_bytes),
        seconds=story.seconds,
    )
    yield toned("ok" if proven else "failed", verdict)
    if is_kept:
        yield current.say("demo.kept", archive=story.life.root)
