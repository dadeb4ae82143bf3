"""A bare receiver: pynetdicom as it comes, files written unsynced, nothing looked at and nothing kept in order.

Run: python -m benchmarks.bare_receiver PORT FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from pynetdicom import AE, _config, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import CTImageStorage  # type: ignore[attr-defined]  # made at run time


def main(port: int, folder: Path) -> None:
    _config.LOG_HANDLER_LEVEL = "none"
    entity = AE("BARE")
    entity.maximum_pdu_size = 0
    entity.maximum_associations = 100
    entity.add_supported_context(CTImageStorage)

    def keep(event: Event) -> int:
        uid = event.file_meta.MediaStorageSOPInstanceUID
        (folder / f"{uid}.dcm").write_bytes(event.encoded_dataset())
        return 0x0000

    entity.start_server(("127.0.0.1", port), evt_handlers=[(evt.EVT_C_STORE, keep)])


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
