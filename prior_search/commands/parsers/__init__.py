"""The flags of every command, in modules that import nothing large.

A command ``NAME`` is an ``add_NAME(parser)`` here, a ``run(options)`` in
``prior_search.commands.NAME``, and a line in the table of ``cli``.
"""
