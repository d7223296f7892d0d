"""The tasks of an evolution, as options and configuration files name them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from eznas.fields import FilePath, Images, Options

if TYPE_CHECKING:
    from typing_extensions import Self


class TaskConfig(Options):
    """One search space with one target; options that are not given are those of the run.

    Attributes:
        benchmark: Benchmark, or ``custom:MODULE:CALLABLE`` with a table.
        dataset: Data set of the accuracies.
        target: Accuracy to rank by: the name of a column of the table.
        table: Table of accuracies to use instead of the benchmark's own.
        images: Images that networks are run on.
        batch_size: Number of images in the minibatch.
        networks: Number of training networks.
        validation_networks: Number of validation networks.
        test_networks: Number of test networks.
        full_networks: Number of training networks that are evaluated at full size too.
        fidelity: Size of the training networks.
        weight: Weight of the task in a weighted fitness.
    """

    benchmark: str
    dataset: str = ""
    target: str | None = None
    table: FilePath = None
    images: Images | None = None
    batch_size: int | None = Field(default=None, ge=2)
    networks: int | None = Field(default=None, ge=10)
    validation_networks: int | None = Field(default=None, ge=10)
    test_networks: int | None = Field(default=None, ge=10)
    full_networks: int | None = Field(default=None, ge=0)
    fidelity: Literal["reduced", "full"] | None = None
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return parse_task(value) if isinstance(value, str) else value

    @property
    def name(self) -> str:
        """The name in reports, such as ``nasbench101/cifar10:validation_108``."""
        return f"{self.benchmark}/{self.dataset}" + (f":{self.target}" if self.target else "")

    def completed(self, options: Options) -> Self:
        """Return the task with the run's options in place of those that it does not give."""
        missing = {
            name: getattr(options, name)
            for name, value in self
            if value in (None, "") and name not in ("target", "table") and hasattr(options, name)
        }
        return self.model_copy(update=missing)


def parse_task(text: str) -> dict[str, Any]:
    """Read ``BENCHMARK/DATASET``, with ``:TARGET`` and ``=TABLE`` where they are given.

    Raises:
        ValueError: The text has no benchmark or no data set.
    """
    task, _, table = text.partition("=")
    benchmark, _, rest = task.partition("/")
    dataset, _, target = rest.partition(":")
    if not (benchmark and dataset):
        raise ValueError("must be BENCHMARK/DATASET[:TARGET][=TABLE], such as nasbench201/cifar10")
    return {
        "benchmark": benchmark,
        "dataset": dataset,
        **({"target": target} if target else {}),
        **({"table": Path(table)} if table else {}),
    }
