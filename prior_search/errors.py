"""The errors a caller may want to handle; each also derives from a builtin."""

from __future__ import annotations


class PriorSearchError(Exception):
    """Base of every error that this package raises on purpose."""


class RequestError(PriorSearchError, ValueError):
    """A flag, a file or a value that a user wrote is wrong: one message, exit code 2."""


class ChangedRequestError(RequestError):
    """A folder holds results of another request than the one that is asked for."""


class TrialDivergedError(PriorSearchError, ArithmeticError):
    """A loss or an objective became non-finite: a result of the configuration, not a fault."""


class WorkerLostError(PriorSearchError, RuntimeError):
    """A data-parallel worker went away: the machine's fault, worth another attempt."""


class SurrogateFitError(PriorSearchError, RuntimeError):
    """The Gaussian process could not be fitted to the observations."""


class RecordError(PriorSearchError, RuntimeError):
    """A study's event log contradicts itself, is damaged or belongs to another request."""


class StorageError(PriorSearchError, OSError):
    """A disk or an object store refused what has to be kept there."""
