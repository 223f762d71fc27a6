"""Drivers that are there at once: a process that has imported everything is forked for each.

A search that is killed twenty times would spend most of the test importing torch, Ray and MLflow.
A forked driver is a process like any other, with its own pid, that can be killed and waited for.
It runs ``cli.main``; nothing of Ray or MLflow has been started when it is forked.

As a program, this file is the nursery: a line of JSON on standard input (command line and file for
the output) is answered by the driver's pid, a line with a pid by the exit code of that driver.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


class Nursery:
    """The process that drivers are forked from, as a context.

    Args:
        environment: of the nursery and of all its drivers.
        folder: for what the drivers print.
    """

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._environment, self._folder = environment, folder
        self._count = 0

    def __enter__(self) -> Nursery:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(self._environment),
        )
        assert self._ask("ready?") == "ready"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _ask(self, question: object) -> object:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def start(self, arguments: Sequence[str]) -> int:
        """The pid of a new driver, ``prior-search`` with these arguments."""
        self._count += 1
        pid = self._ask([list(arguments), str(self._output)])
        assert isinstance(pid, int)
        return pid

    @property
    def _output(self) -> Path:
        return self._folder / f"driver-{self._count}.txt"

    def wait(self, pid: int) -> tuple[int, str]:
        """Exit code of the youngest driver, negative for a signal, and what it printed."""
        code = self._ask(pid)
        assert isinstance(code, int)
        return code, self._output.read_text()


def _run(arguments: Sequence[str], output: str) -> None:
    """The life of a driver."""
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(file, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    from prior_search import cli

    code = cli.main(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def serve() -> None:
    """The body of the nursery."""
    import prior_search.commands.search
    import prior_search.runner.tune  # noqa: F401  imported for the drivers

    for line in sys.stdin:
        question = json.loads(line)
        answer: object = "ready"
        if isinstance(question, list):
            answer = os.fork()
            if answer == 0:
                _run(*question)
        elif isinstance(question, int):
            answer = os.waitstatus_to_exitcode(os.waitpid(question, 0)[1])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
