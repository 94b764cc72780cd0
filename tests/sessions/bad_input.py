"""Wrong use and what the network refuses: an exit code, and one line that says what and on what; never a panic."""

import os
import socket
import subprocess

from session import PATIENCE, Skipped, command, real, story

WRONG_USE, REFUSED = 2, 1

# Arguments, exit code, what the line must name, and whether usage may follow the line.
TABLE = [
    (["--listen", "127.0.0.1"], WRONG_USE, "127.0.0.1", False),
    (["--listen", "127.0.0.1:99999"], WRONG_USE, "99999", False),
    (["--listen", "127.0.0.1:http!"], WRONG_USE, "http!", False),
    (["--listen", ""], WRONG_USE, "", False),
    (["--engine", "kqueue"], WRONG_USE, "kqueue", False),
    (["--engine", "steam"], WRONG_USE, "steam", True),
    (["--no-such-flag"], WRONG_USE, "--no-such-flag", True),
    (["--listen", "no-such-host.invalid:8000"], REFUSED, "no-such-host.invalid", False),
    (["--listen", "192.0.2.1:8000"], REFUSED, "192.0.2.1:8000", False),
]


def bad_input(_engine):
    for arguments, code, named, usage in TABLE:
        refused(command() + ["serve", *arguments], code, named, usage)
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        refused(command() + ["serve", "--listen", taken], REFUSED, taken)
    try:
        refused(unprivileged() + command() + ["serve", "--listen", "127.0.0.1:80"], REFUSED, "127.0.0.1:80")
    except Skipped as reason:
        return f"{len(TABLE) + 1} refusals; not tried: port 80, {reason}"
    return f"{len(TABLE) + 2} refusals"


def refused(arguments, code, named, usage=False):
    what = " ".join(arguments[arguments.index("serve") :])
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
    said = f"`{what}` ended with {done.returncode} and said {done.stderr!r}"
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert "panicked" not in done.stderr, said
    assert done.returncode == code, f"expected exit code {code}: {said}"
    assert done.stdout == "", f"{said}, and {done.stdout!r} on stdout"
    assert lines and named in lines[0], f"the first line does not name {named!r}: {said}"
    assert usage or len(lines) == 1, f"expected one line: {said}"


def unprivileged():
    """A prefix that takes away the right to listen on low ports. Only that right: another user might not be
    allowed to run the command where it lies."""
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as start:
        if int(start.read()) <= 80:
            raise Skipped("here it needs no privilege")
    if os.geteuid() != 0:
        return []
    prefix = [real("setpriv"), "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"]
    if subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL).returncode != 0:
        raise Skipped("the right to it cannot be given up")
    return prefix


story(bad_input)
