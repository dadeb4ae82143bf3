"""Plans the next hour of audits of an archive, half a year later, and says what it came to: which packages, and then
which of their shards (looked up as they are read, a page at a time).

Run: python -m benchmarks.planned ARCHIVE
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from retention.archive import open_archive
from retention.model.clock import RehearsalClock
from retention.services.audit.asked import asked_of
from retention.services.audit.coverage import coverage_of
from retention.services.audit.rounds import due_tasks, planned_readings

HOUR_BYTES = 200_000_000 * 3600
LATER = timedelta(days=170)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", type=Path)
    given = parser.parse_args()
    with closing(open_archive(given.archive)) as stores:
        stores.clock = RehearsalClock(stores.clock.now() + LATER)
        began_s = time.process_time()
        online = [each for each in asked_of(stores) if not each.is_slow]
        planned = list(planned_readings(stores, online, HOUR_BYTES))
        planned_bytes = sum(each.size_bytes for each in planned)
        planned_s = time.process_time() - began_s
        tasks = sum(1 for task in due_tasks(stores, asked_of(stores), HOUR_BYTES) if task.mark is None)
        looked_up_s = time.process_time() - began_s - planned_s
        began_s = time.process_time()
        coverage_of(stores)
        covered_s = time.process_time() - began_s
    data = {
        "packages": len(planned),
        "bytes": planned_bytes,
        "tasks": tasks,
        "planned_s": round(planned_s, 3),
        "looked_up_s": round(looked_up_s, 3),
        "covered_s": round(covered_s, 3),
    }
    sys.stdout.write(json.dumps({"data": data}))


if __name__ == "__main__":
    main()
