"""`connect` and real servers of socat: an echo over TCP, a shell command behind TCP, a Unix socket, datagrams."""

import os
import subprocess
import tempfile

from client import HERE, listens, piped, running
from session import PATIENCE, command, real, same, story, until


def connect_socat(engine):
    data = os.urandom(1 << 20)
    with running(real("socat"), "-t", "20", f"TCP-LISTEN:8003,bind={HERE},reuseaddr,fork", "EXEC:cat"):
        listens(8003)
        same(data, piped(engine, 8003, data))
        # The server ends first, and there is nothing to be sent.
        same(b"", piped(engine, 8003, b""))
    with running(real("socat"), f"TCP-LISTEN:8004,bind={HERE}", "SYSTEM:echo welcome; tr a-z A-Z"):
        listens(8004)
        same(b"welcome\nHELLO\n", piped(engine, 8004, b"hello\n"))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "echo")
        with running(real("socat"), "-t", "20", f"UNIX-LISTEN:{path}", "EXEC:cat"):
            until(lambda: os.path.exists(path), "socat listens")
            arguments = command() + ["connect", f"unix:{path}", "--engine", engine]
            client = subprocess.run(arguments, input=data, capture_output=True, timeout=PATIENCE)
            assert client.returncode == 0, client.stderr
            same(data, client.stdout)
    with running(real("socat"), f"UDP-RECVFROM:8005,bind={HERE},fork", "EXEC:cat"):
        bound = lambda: ":1F45 " in open("/proc/net/udp").read()  # 8005
        until(bound, "socat has bound its port")
        same(b"one\ntwo\n", b"".join(sorted(piped(engine, 8005, b"one\ntwo\n", "--udp").splitlines(True))))


story(connect_socat)
