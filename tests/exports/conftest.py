import pytest
from export_points import Points, made_points


@pytest.fixture(scope="session")
def points() -> tuple[Points, Points]:
    return made_points()
