"""The decoding process: `python -m retention.dicom.pixels`. `decoding.Decoding` starts it."""

from __future__ import annotations

from retention.dicom.pixels.worker import main

if __name__ == "__main__":
    main()
