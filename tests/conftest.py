"""For every test: makes the modules beside this file importable, and says which tests need kubectl."""

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite", action="store_true", help="write the answers in transcripts anew")
    parser.addoption(
        "--kubeconfig-under-test", default=os.environ.get("ROOST_PARITY_KUBECONFIG", ""),
        help="run the behaviour cases of tests/parity on this cluster only",
    )  # fmt: skip
    parser.addoption(
        "--patience", default="0",
        help="let behaviour cases on real clusters take so many seconds (default: only quick ones)",
    )  # fmt: skip


@pytest.fixture(scope="session")
def rewrite(request: pytest.FixtureRequest) -> bool:
    """Whether transcripts are to be written anew."""
    return bool(request.config.getoption("--rewrite"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if shutil.which("kubectl") or os.environ.get("CI"):
        return
    for item in items:
        if "kubectl" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="needs kubectl"))
