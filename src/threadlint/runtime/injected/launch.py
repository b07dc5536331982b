"""Runs a script as `__main__` under the engine: `python launch.py SCRIPT ARGUMENT...`."""

from __future__ import annotations

import importlib
import importlib.machinery
import os
import sys
import types


def main() -> None:
    """Start the engine, then be the script."""
    script = sys.argv[1]
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    compile_file = importlib.import_module("threadlint_engine.importer").compile_file
    start_here = importlib.import_module("threadlint_engine.start").start_here
    # The first two entries are ours: the folder put in above, and that of this file, which Python itself put in.
    sys.path[:] = [
        entry for entry in sys.path if os.path.realpath(entry or ".") != os.path.dirname(os.path.realpath(__file__))
    ]
    sys.path.insert(0, os.path.dirname(os.path.realpath(script)))
    sys.argv[:] = sys.argv[1:]
    engine = start_here()
    if engine is not None and engine.job.harness:
        importlib.import_module("threadlint_engine.harness").run(engine)
        return
    module = types.ModuleType("__main__")
    module.__dict__.update(
        __file__=script,
        __builtins__=sys.modules["builtins"],
        __loader__=importlib.machinery.SourceFileLoader("__main__", script),
        __cached__=None,
    )
    with open(script, "rb") as file:
        data = file.read()
    if engine is not None and os.path.realpath(script) in engine.job.files:
        code = compile_file(script, data, engine.rewrite)
    else:
        code = compile(data, script, "exec", dont_inherit=True)
    # Taken away from under itself: the old module must live until the script has ended.
    sys.__dict__["_threadlint_main"] = sys.modules["__main__"]
    sys.modules["__main__"] = module
    exec(code, module.__dict__)  # noqa: S102  # running the program is what this file is for


if __name__ == "__main__":
    main()
