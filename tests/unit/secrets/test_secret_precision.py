"""What is reported is there: measured on configurations like those of official images."""

import pytest

from bench.secret_precision import PLACES, configurations, measured


@pytest.mark.untraced
@pytest.mark.parametrize("first", range(4))
def test_official_images_have_no_secrets_but_those_put_in(first: int) -> None:
    """Fingerprints, hashes, versions and addresses are none, and among them every credential is found."""
    some = configurations()[first::4]
    measure = measured(some)
    assert (measure.false, measure.missed) == ((), ())
    assert measure.true == len(some) * len(PLACES) > 400
