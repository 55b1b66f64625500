"""Two packages bear the name of the function that users call; either way of access must work."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

ACCESS = {
    "package first": "import perrin.link, perrin.localize; import perrin",
    "function first": "import perrin; perrin.link; perrin.localize",
    "through others": "import perrin; import perrin.pipeline",
    "from": "import perrin; from perrin import link, localize",
}


@pytest.mark.parametrize("code", ACCESS.values(), ids=list(ACCESS))
def test_functions_can_be_called_in_whatever_order_things_are_imported(code: str) -> None:
    script = f"""{code}
from perrin import link, localize
for function in (localize, perrin.localize, link, perrin.link):
    try:
        function('no movie, no table')
    except perrin.InputError as error:
        assert 'str' in str(error)
    else:
        raise SystemExit('no error')
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_signature_is_the_functions() -> None:
    import perrin
    import perrin.link
    import perrin.localize
    from perrin.link._link import link

    assert callable(perrin.link)
    assert inspect.signature(perrin.link) == inspect.signature(link)
    assert "progress" in inspect.signature(perrin.localize).parameters
    assert perrin.link.estimate_drift is not None  # still a package
