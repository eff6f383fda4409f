"""Where the files are that ship beside the package: Envoy's configuration and the example policies."""

from pathlib import Path

import sidecar


def shipped_file(*parts: str) -> Path:
    """For example `shipped_file("envoy", "envoy.yaml")`. Raises FileNotFoundError.

    A wheel carries the files inside the package; in a checkout they stand beside it.
    """
    package = Path(sidecar.__file__).parent
    places = [package.joinpath("shipped", *parts), package.parent.joinpath(*parts)]
    for place in places:
        if place.is_file():
            return place
    raise FileNotFoundError(f"{'/'.join(parts)} is neither at {places[0]} nor at {places[1]}")
