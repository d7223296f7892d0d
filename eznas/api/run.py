"""A run as a Python object: begun or resumed in a run directory, and read from it."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from eznas.config import build_config, read_toml, resumed_config, run_kind
from eznas.errors import InputError
from eznas.run import RunDirectory, default_directory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import Self

    from eznas.progress import Progress
    from eznas.scoring import Executor


class Run(ABC):
    """A finished or stopped run, read from its run directory.

    A subclass declares the options and the computation.

    Args:
        directory: The run directory.
        compared: Runs that tables and plots show beside it.
    """

    _options: ClassVar[Any]  # the configuration
    _changeable: ClassVar[Sequence[str]]  # options that may change when the run is resumed
    _results: ClassVar[str]  # the file that a finished run has
    _kinds: ClassVar[Sequence[str]]  # the kinds of runs that it reads, as ``run_kind`` names them

    def __init__(self, directory: RunDirectory, compared: Sequence[Self] = ()) -> None:
        self.path = directory.path
        self.compared = tuple(compared)
        self._directory = directory

    @classmethod
    def _open_directory(cls, directory: str | Path) -> RunDirectory:
        opened = RunDirectory(Path(directory))
        kind = run_kind(read_toml(opened.path / "config.toml"))
        if kind not in cls._kinds:
            raise InputError(f"{directory} must be the directory of {cls._kinds[0]}, but it is that of {kind}")
        return opened

    @property
    def finished(self) -> bool:
        """Whether the results are written; such a run can be resumed too, with options that prolong it."""
        return (self.path / self._results).is_file()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r}, {self._outcome() if self.finished else 'not finished'})"

    @abstractmethod
    def _outcome(self) -> str:
        """Describe the results in a few words."""

    @abstractmethod
    def _compute(
        self, config: Any, executor: Executor, progress: Progress, callback: Any, how: str, begun: float, new: bool
    ) -> None:
        """Compute and write the results.

        Args:
            config: The options.
            executor: Runs the networks.
            progress: Shows the computation.
            callback: Called with the records of the computation.
            how: The way to resume the run.
            begun: The value of ``time.monotonic()`` when the run began.
            new: Whether the run is new.
        """

    def _require_finished(self) -> None:
        if not self.finished:
            raise InputError(f"{self.path} must be a finished run, but it was stopped before its end; resume it")

    @classmethod
    def begin(
        cls, options: Mapping[str, Any], out: Any, config: Any, command: str, compared: Sequence[Self] = (), **how: Any
    ) -> Self:
        """Do a run in a new directory, and return it; the arguments are those of ``evolve`` and ``search``.

        Raises:
            InputError: An option cannot be used.
        """
        begun = time.monotonic()  # before torch is imported
        from eznas.scoring.plugin import plugin_digests

        given = options if out is None else {**options, "out": out}
        chosen = build_config(cls._options, given, None if config is None else Path(config))
        plugins = dict.fromkeys(map(str, [*chosen.plugin, *plugin_digests()]))  # a resume in a new process needs them
        chosen = build_config(cls._options, {**chosen.model_dump(), "plugin": [*plugins]})
        with RunDirectory.create(
            chosen.out or default_directory(), chosen.as_toml(), seed=chosen.seed, command=command, device=chosen.device
        ) as directory:
            return cls._run(directory, compared, chosen, begun, new=True, **how)

    def _continue(self, options: Mapping[str, Any], command: str, compared: Sequence[Self] = (), **how: Any) -> Self:
        begun = time.monotonic()
        with RunDirectory.resume(self.path) as directory:  # refuses another format before config.toml is read
            chosen = resumed_config(self._options, options, self.path, self._changeable)
            directory.append({"event": "command", "command": command})
            return self._run(directory, compared, chosen, begun, new=False, **how)

    @classmethod
    def _run(
        cls,
        directory: RunDirectory,
        compared: Any,
        config: Any,
        begun: float,
        *,
        new: bool,
        callback: Any,
        progress: Any,
        how: Any,
    ) -> Self:
        from eznas.report import render
        from eznas.report.display import open_display
        from eznas.scoring import open_executor
        from eznas.scoring.memory_plan import memory_bound

        run, path = cls(directory, compared), directory.path
        how = how(path) if how else f"{cls.__name__}.open({str(path)!r}).resume()"
        resources = (config.workers, config.backend, config.scheduler)
        memory = None  # evolutions over score files, which run no networks, have no such option
        if "memory" in type(config).model_fields:
            memory = memory_bound(config.memory, config.workers, config.scheduler)
        with open_display(progress) as display:
            try:
                with open_executor(*resources, memory=memory, progress=display) as executor:
                    run._compute(config, executor, display, callback or (lambda _record: None), how, begun, new)
            except BaseException as error:
                if new and isinstance(error, InputError):
                    directory.discard()
                if path.is_dir():
                    display.message(f"resume with: {how}")
                raise
            if config.report:
                render(directory, display.message, [RunDirectory(other.path) for other in run.compared])
        return run
