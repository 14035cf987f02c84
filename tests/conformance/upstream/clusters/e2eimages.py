"""The images that the programme's pods run, as test/utils/image names them."""

from __future__ import annotations

from typing import Final

_OWN: Final = "registry.k8s.io/e2e-test-images"
AGNHOST: Final = f"{_OWN}/agnhost:2.63.0"
AGNHOST_OLD: Final = f"{_OWN}/agnhost:2.59"
BUSYBOX: Final = f"{_OWN}/busybox:1.37.0-1"
HTTPD: Final = f"{_OWN}/httpd:2.4.38-4"
HTTPD_NEW: Final = f"{_OWN}/httpd:2.4.39-4"
PAUSE: Final = "registry.k8s.io/pause:3.10.1"
#: Nobody has it: pods stay pending where images are really pulled. Not so in a cluster that runs any.
NOWHERE: Final = "gcr.io/google_samples/gb-redisslave:nonexistent"
