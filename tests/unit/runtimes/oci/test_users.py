"""Who a container's process is."""

from __future__ import annotations

import pytest

from roost.runtimes.oci.users import Identity, resolve
from roost.runtimes.port import RuntimeFault, Security

_PASSWD = "root:x:0:0:r:/root:/bin/sh\nweb:x:1000:1001::/:\n# no:x:9:9\nbroken\n5000:x:77:78::/:\n"
_GROUP = "root:x:0:\nweb:x:1001:\nextra:x:2000:other,web\nbad:x:nine:web\n"
_WHOSE = '(pod: "p_ns(u)", container: c)'


@pytest.mark.parametrize(
    ("security", "image_user", "expected"),
    [
        (Security(), "", Identity(0, 0)),
        (Security(), "web", Identity(1000, 1001, (2000,))),
        (Security(), "1000", Identity(1000, 1001, (2000,))),
        (Security(), "1234", Identity(1234, 0)),
        (Security(), "1234:55", Identity(1234, 55)),
        (Security(), "web:extra", Identity(1000, 2000, (2000,))),
        (Security(), "5000", Identity(77, 78)),  # a name of digits is a name first
        (Security(user_name="web"), "root", Identity(1000, 1001, (2000,))),
        (Security(user=1000), "root", Identity(1000, 1001, (2000,))),
        (Security(user=1000, group=7), "x:8", Identity(1000, 7, (2000,))),
        (Security(user=42, supplemental_groups=(5, 5, 6)), "", Identity(42, 0, (5, 6))),
        (Security(group=9), "", Identity(0, 9)),
        (Security(user=1000, run_as_non_root=True), "root", Identity(1000, 1001, (2000,))),
        (Security(run_as_non_root=True), "1000", Identity(1000, 1001, (2000,))),
    ],
)
def test_resolving(security: Security, image_user: str, expected: Identity) -> None:
    assert resolve(security, image_user, _PASSWD, _GROUP, _WHOSE) == expected


@pytest.mark.parametrize(
    ("security", "image_user", "message"),
    [
        (
            Security(run_as_non_root=True),
            "",
            f"container has runAsNonRoot and image will run as root {_WHOSE}",
        ),
        (
            Security(run_as_non_root=True),
            "0",
            f"container has runAsNonRoot and image will run as root {_WHOSE}",
        ),
        (
            Security(run_as_non_root=True),
            "web",
            (
                "container has runAsNonRoot and image has non-numeric user (web), "
                f"cannot verify user is non-root {_WHOSE}"
            ),
        ),
        (
            Security(user=0, run_as_non_root=True),
            "",
            f"container's runAsUser breaks non-root policy {_WHOSE}",
        ),
        (Security(), "nobody", "unable to find user nobody: no matching entries in passwd file"),
        (
            Security(),
            "web:nogroup",
            "unable to find group nogroup: no matching entries in group file",
        ),
    ],
)
def test_refusals(security: Security, image_user: str, message: str) -> None:
    with pytest.raises(RuntimeFault) as caught:
        resolve(security, image_user, _PASSWD, _GROUP, _WHOSE)
    assert caught.value.message == message
