"""What the stories of `connect` share: servers that are not ours, an address to put them on, and a client at a terminal."""

import contextlib
import os
import pty
import signal
import socket
import subprocess
import termios

from session import PATIENCE, command, read_until, until

# An address of our own, on which any port is free: all of 127.0.0.0/8 is this machine.
HERE = "127.{}.{}.{}".format(100 + os.getpid() % 100, os.getpid() >> 8 & 255, os.getpid() & 255)


@contextlib.contextmanager
def running(*arguments, **options):
    """A program in a process group of its own, which is ended with whatever it has started."""
    process = subprocess.Popen(arguments, start_new_session=True, **options)
    try:
        yield process
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def listens(port):
    """Waits until somebody listens on that port of HERE, without connecting: some servers take one client only."""

    def heard():
        with open("/proc/net/tcp") as table:
            local = "%08X:%04X" % (int.from_bytes(socket.inet_aton(HERE), "little"), port)
            return any(line.split()[1] == local and line.split()[3] == "0A" for line in table)

    until(heard, f"somebody listens on {HERE}:{port}")


def piped(engine, port, data, *more):
    """`connect` with this on stdin: what it printed, in good order."""
    arguments = command() + ["connect", HERE, str(port), "--engine", engine, *more]
    client = subprocess.run(arguments, input=data, capture_output=True, timeout=PATIENCE)
    assert client.returncode == 0, f"connect ended with {client.returncode}: {client.stderr}"
    return client.stdout


@contextlib.contextmanager
def at_a_terminal(engine, port, *more, code=0):
    """`connect` at a terminal, as a person has it. Its modes are the same before and after."""
    screen, keyboard = pty.openpty()
    before = termios.tcgetattr(keyboard)
    arguments = command() + ["connect", HERE, str(port), "--engine", engine, *more]
    environment = {**os.environ, "TERM": "xterm"}
    with running(*arguments, stdin=keyboard, stdout=keyboard, stderr=keyboard, env=environment, preexec_fn=own) as client:
        try:
            yield screen, client
            assert client.wait(PATIENCE) == code, f"connect ended with {client.returncode}"
            assert termios.tcgetattr(keyboard) == before, "the terminal was not given back as it was"
        finally:
            os.close(screen)
            os.close(keyboard)


def own():
    """Makes the terminal on stdin ours, as a shell does for what it runs in the foreground."""
    import fcntl

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def typed(screen, line, shown):
    os.write(screen, line)
    read_until(screen, shown, 1)
