"""What this machine is, in the words of images."""

from __future__ import annotations

import platform as python_platform

from roost.runtimes.images.config import Platform

_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", "v8"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "ppc64le": ("ppc64le", ""),
    "riscv64": ("riscv64", ""),
    "s390x": ("s390x", ""),
}


def this_machine() -> Platform:
    """Return the platform whose images run here."""
    machine = python_platform.machine()
    architecture, variant = _ARCHITECTURES.get(machine, (machine, ""))
    return Platform("linux", architecture, variant)
