from __future__ import annotations

import subprocess
import sys

LISTED = """
import sys
sys.modules.update(dict.fromkeys(["xgboost", "lightgbm", "ngboost"]))  # as if they were not installed
from eznas.predictors import PREDICTORS
print(*PREDICTORS)
"""


def test_predictors_are_listed_without_optional_packages() -> None:
    listed = subprocess.run([sys.executable, "-c", LISTED], capture_output=True, text=True, check=True).stdout.split()
    assert {"xgboost", "lightgbm", "ngboost", "random_forest"} <= set(listed)
