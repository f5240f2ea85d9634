"""Run one of the servers until it is ended: `python -m tests.servers files|proxy|authority --help`.

For machines of their own, which reach them over a bridge or in a network namespace:

    python -m tests.servers authority --directory pki --name 10.0.0.1 --name mirror.example
    python -m tests.servers files --directory files --listen 10.0.0.1:443 --certificate pki/server.pem \
        --key pki/server.key --header 'Authorization: Bearer token'
    python -m tests.servers proxy --listen 10.0.0.1:3128 --user user --password password

Once it listens, it prints its URL; requests are printed as they come, one JSON object a line.
"""

from __future__ import annotations

import argparse
import json
import threading
from pathlib import Path

from tests.servers.authority import Authority, Identity
from tests.servers.files import FileServer
from tests.servers.proxy import Proxy
from tests.servers.serving import Serving


def main() -> None:
    arguments = _parser().parse_args()
    if arguments.what == "authority":
        authority = Authority()
        authority.identity(arguments.directory, *arguments.name)
        (arguments.directory / "ca.pem").write_text(authority.certificate)
        return
    server = _files(arguments) if arguments.what == "files" else _proxy(arguments)
    threading.Thread(target=server.run, daemon=True).start()
    print(server.url, flush=True)
    told = 0
    while not server.closing.wait(0.1):
        for request in server.requests[told:]:
            print(json.dumps(request._asdict()), flush=True)
            told += 1


def _files(arguments: argparse.Namespace) -> Serving:
    name, _, value = (arguments.header or "").partition(":")
    return FileServer(
        arguments.directory,
        header=(name.strip(), value.strip()) if name else None,
        address=_address(arguments.listen),
        identity=Identity(arguments.certificate, arguments.key) if arguments.certificate else None,
    )


def _proxy(arguments: argparse.Namespace) -> Serving:
    return Proxy(arguments.user, arguments.password, address=_address(arguments.listen))


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.servers")
    kinds = parser.add_subparsers(dest="what", required=True)
    files = kinds.add_parser("files")
    files.add_argument("--directory", type=Path, required=True)
    files.add_argument("--certificate", type=Path)
    files.add_argument("--key", type=Path)
    files.add_argument("--header", help="what a request for a file must have: 'Name: value'")
    proxy = kinds.add_parser("proxy")
    proxy.add_argument("--user", default="")
    proxy.add_argument("--password", default="")
    for kind in (files, proxy):
        kind.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT")
    authority = kinds.add_parser("authority")
    authority.add_argument("--directory", type=Path, required=True)
    authority.add_argument("--name", action="append", required=True)
    return parser


if __name__ == "__main__":
    main()
