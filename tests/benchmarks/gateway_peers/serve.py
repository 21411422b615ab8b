"""Serves one of these applications by uvicorn in one process: python -m gateway_peers.serve MODULE PORT.

The same server, with the same settings, as Quick's own worker.
"""

from __future__ import annotations

import gc
import importlib
import sys

import uvicorn


def main() -> None:
    """Make the application and serve it."""
    module, port = sys.argv[1:]
    app = importlib.import_module(f"gateway_peers.{module}").app()
    gc.collect()
    gc.freeze()  # As Quick's workers do.
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )


if __name__ == "__main__":
    main()
