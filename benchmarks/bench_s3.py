"""Upload to S3: the driver beside boto3's own managed transfer of the same bytes, to Ceph on this machine.

The driver sends parts with their MD5, compares what the service says it stored, and publishes under a condition; the
transfer does what `upload_file` does by default. Both read the same file, in a process of its own each.

Run: python -m benchmarks.bench_s3 [--quick]        needs Ceph: tools/ceph install .venv/ceph
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.children import PROJECT, Run, run
from benchmarks.figures import Row, compare
from benchmarks.setting import Setting, alone

SIZE_BYTES = 500_000_000
TARGET = 0.7
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testkey",
    "AWS_SECRET_ACCESS_KEY": "testsecret",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def measure(setting: Setting) -> Iterator[Row]:
    with setting.folder() as folder, ceph(folder / "ceph") as endpoint:
        source = folder / "package"
        size_bytes = setting.size(SIZE_BYTES, SIZE_BYTES // 20)
        with source.open("wb") as file:
            for _ in range(0, size_bytes, 1 << 20):
                file.write(os.urandom(1 << 20))
        size_bytes = source.stat().st_size
        side = partial(_side, endpoint=endpoint, source=source)
        side("bucket")
        startup = side("nothing").seconds
        both = compare(setting.rounds, partial(side, "driver"), partial(side, "transfer"))
        work = f"upload to Ceph on this machine, {size_bytes / 1e6:.0f} MB"
        yield both.row(work, size_bytes, "boto3's managed transfer", TARGET, (startup, startup))


def _side(what: str, *, endpoint: str, source: Path) -> Run:
    return run([sys.executable, "-m", "benchmarks.bench_s3", what, endpoint, source], environment=CREDENTIALS)


@contextmanager
def ceph(folder: Path) -> Iterator[str]:
    """Start a Ceph of our own. Raises RuntimeError where there is none."""
    packages = Path(os.environ.get("RETENTION_TESTS_CEPH", PROJECT / ".venv" / "ceph"))
    tool = PROJECT / "tools" / "ceph"
    begun = subprocess.run(
        [tool, "start", packages, folder, str(os.getpid())], capture_output=True, text=True, check=False
    )
    if begun.returncode:
        raise RuntimeError(f"Ceph does not start: {begun.stderr.strip()}")
    try:
        yield begun.stdout.split()[0]
    finally:
        subprocess.run([tool, "stop", folder], check=True)


def one_side(what: str, endpoint: str, source: Path) -> None:
    """Do one side's work, in this process."""
    from retention.model.clock import SystemClock
    from retention.model.identifiers import new_id
    from retention.model.layout import S3Spec, VolumeSpec
    from retention.storage.s3_bucket import Bucket
    from retention.storage.s3_lock import ObjectLock
    from retention.storage.s3_service import S3Service
    from retention.storage.s3_upload import Parts, S3Upload
    from retention.storage.s3_versions import Versions
    from retention.storage.state import VolumeState

    spec = VolumeSpec("bench", "s3://bench", "here", "here", S3Spec(endpoint=endpoint))
    service, key = S3Service(spec, SystemClock()), f"packages/{new_id()}.shard"
    if what == "bucket":
        service.call("create_bucket", Bucket="bench")
    elif what == "nothing":
        service.call("head_bucket", Bucket="bench")
    elif what == "transfer":
        import boto3

        boto3.client("s3", endpoint_url=endpoint).upload_file(str(source), "bench", key)
    else:
        bucket = Bucket(spec, service, lambda: VolumeState.READY)
        versions = Versions(bucket, ObjectLock(bucket, None, SystemClock()))
        upload = S3Upload(key, "bench", bucket=bucket, parts=Parts(), versions=versions)
        with upload, source.open("rb") as file:
            while piece := file.read(1 << 20):
                upload.write(piece)
            upload.seal()
            upload.publish()


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[2].startswith("http"):
        one_side(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    else:
        alone(measure, __doc__)
