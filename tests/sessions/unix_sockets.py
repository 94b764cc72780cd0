"""Several listeners, Unix sockets among them, by a real nc and a real socat; what a killed server leaves behind."""

import os
import subprocess
import tempfile

from session import PATIENCE, Server, command, real, same, story


def unix_sockets(engine):
    with tempfile.TemporaryDirectory(prefix="switchboard-") as folder:
        one, two = os.path.join(folder, "one"), os.path.join(folder, "two")
        with Server(engine, "--listen", f"unix:{one}", "--listen", f"unix:{two}") as server:
            assert f" and unix:{one} and unix:{two} (tcp and unix, " in server.ready, server.ready
            server.is_well()
            sent = os.urandom(1 << 20)
            same(sent, client(["nc.openbsd", "-N", "-U", one], sent))
            same(sent, client(["socat", "-t", str(PATIENCE), "-", f"UNIX-CONNECT:{two}"], sent))
            refuse(engine, one, "address already in use")
        assert os.listdir(folder) == [], "a socket's file was left behind"

        with Server(engine, listen=f"unix:{one}") as server:
            server.kill()
        assert os.listdir(folder) == ["one"]
        with Server(engine, listen=f"unix:{one}"):
            same(b"hello", client(["nc.openbsd", "-N", "-U", one], b"hello"))
        assert os.listdir(folder) == [], "the file of a killed server was not replaced and removed"

        with open(one, "w") as file:
            file.write("precious")
        refuse(engine, one, "no socket")
        with open(one) as file:
            assert file.read() == "precious"


def client(arguments, sent):
    arguments = [real(arguments[0]), *arguments[1:]]
    done = subprocess.run(arguments, input=sent, capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0, f"{arguments[0]} ended with {done.returncode}: {done.stderr}"
    return done.stdout


def refuse(engine, path, why):
    arguments = command() + ["serve", "--engine", engine, "--listen", f"unix:{path}"]
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1 and why in done.stderr and path in done.stderr, done


story(unix_sockets)
