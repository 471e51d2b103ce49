"""Run an account: `python -m lab.aws.cloud [--port N] [--pace N]`. The first line is its address."""

from __future__ import annotations

import argparse
import signal

from lab.aws.cloud.server import serve


def main() -> None:
    """Serve until somebody ends it; then everything in the account is gone."""
    parser = argparse.ArgumentParser(prog="lab.aws.cloud", description="The rehearsal's account")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--pace", type=float, default=0.01, help="what a second of AWS takes; 0: nothing takes time")
    arguments = parser.parse_args()
    server, _ = serve(arguments.port, arguments.pace, arguments.host)

    def end(*_: object) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    print(f"http://{arguments.host}:{server.port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
