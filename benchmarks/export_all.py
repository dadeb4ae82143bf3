"""Every study of an archive exported by one process: what is left of an export without starting up for each study.

Run: python -m benchmarks.export_all ARCHIVE OUT
"""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path

from retention.archive import open_archive
from retention.catalog.records import StudyFilter
from retention.services.progress import NoProgress
from retention.services.retrieve import export_study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    with closing(open_archive(given.archive)) as stores:
        for summary in list(stores.catalog.studies(StudyFilter())):
            study = stores.catalog.study(summary.study_uid, summary.institution)
            report = export_study(stores, study, given.out / summary.study_uid, NoProgress())
            assert not report.failures


if __name__ == "__main__":
    main()
