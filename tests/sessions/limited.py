"""With room for one a second client waits in the queue and is served later; who says nothing for long is let go."""

import select
import subprocess

from session import PATIENCE, SLACK, Server, echoed, ended_by_server, real, story


def limited(engine):
    with Server(engine, "--limit", "1") as server, server.connect() as first:
        echoed(first, b"one at a time\r\n")
        arguments = [real("nc.openbsd"), "-N", "127.0.0.1", str(server.port)]
        second = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            second.stdin.write(b"may I?\r\n")
            second.stdin.close()
            assert not select.select([second.stdout], [], [], 0.5)[0], "there is room for one only"
            echoed(first, b"still me\r\n")
            first.close()
            assert second.stdout.read() == b"may I?\r\n"
            assert second.wait(PATIENCE) == 0
        finally:
            second.kill()
            second.wait()
            second.stdout.close()
        assert server.receipt() == [2, 2, 0, 0]
        assert "at most 1 at once" in server.log(), server.log()

    with Server(engine, "--idle-timeout", "300ms") as server, server.connect() as idle:
        echoed(idle, b"hello\r\n")
        took = ended_by_server(idle, PATIENCE)
        assert 0.28 <= took < 0.3 + SLACK, f"an idle connection was ended after {took:.2f} s"
    return f"idle for 300 ms, ended after {took * 1000:.0f} ms"


story(limited)
