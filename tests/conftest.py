"""Fixtures every test may use."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says nothing on a shared machine, and no test here asserts a time.
settings.register_profile("semsearch", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fuzz", settings.get_profile("semsearch"), max_examples=1_500)
settings.load_profile("semsearch")

REPOSITORY = Path(__file__).parent.parent
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data sets beside the checkout; tests that need it skip where it is not there.

    On CI it must not go missing unnoticed: with CI=true and a `shared` folder, its absence is a failure.
    """
    if SHARED_DATA.is_dir():
        return SHARED_DATA
    if os.environ.get("CI") == "true" and SHARED_DATA.parent.is_dir():
        pytest.fail(f"{SHARED_DATA} is missing on CI")
    pytest.skip(f"needs public data sets in {SHARED_DATA}")


@pytest.fixture(scope="session")
def sample_corpus() -> Path:
    """The project's own sample corpus."""
    return REPOSITORY / "sample_corpus"
