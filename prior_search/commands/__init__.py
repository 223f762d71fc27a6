"""The commands of ``prior-search``: the ``run`` of a module takes flags and returns an exit code.

A module imports what its command needs, be it torch, BoTorch, Ray or MLflow, and is loaded when
the command is chosen. All that ``--help`` and a wrong flag take is in ``parsers``.
"""
