"""`__main__.py` of the packed agent.

The interpreter compiles it twice at each start, to tell its path and to run it, so all but this is in start.py, which is
compiled once. It must compile on every Python, too.
"""

START = __loader__.archive + "/start.py"  # type: ignore[name-defined]
exec(compile(__loader__.get_data(START), START, "exec"))  # type: ignore[name-defined]  # noqa: S102
