"""The file of figures that ``--json`` writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from eznas.files import write_output
from eznas.run import versions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write_figures(file: Path | None, figures: Mapping[str, Any]) -> None:
    """Write figures and versions as JSON, if there is a file to write.

    Raises:
        InputError: The file cannot be written.
    """
    if file is not None:
        write_output(file, json.dumps({**figures, "versions": versions()}, indent=2) + "\n")
