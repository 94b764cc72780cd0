"""A client makes its task fail: it is told once, that client is hung up on, and the others live on."""

import subprocess

from session import PATIENCE, Server, echoed, real, story


def boom(engine):
    for threads in ["1", "2"]:
        with Server(engine, "--service", "boom", "--threads", threads) as server, server.connect() as other:
            echoed(other, b"hello\r\n")
            for _ in range(3):
                arguments = [real("nc.openbsd"), "127.0.0.1", str(server.port)]
                sent = b"hello\r\nboom\r\nand then\r\n"
                client = subprocess.run(arguments, input=sent, capture_output=True, timeout=PATIENCE)
                assert client.stdout == b"hello\r\nboom\r\n", client
                echoed(other, b"still here\r\n")
            other.close()
            assert server.receipt() == [4, 1, 3, 0], server.log()
            assert server.log().count("failed: boom") == 3, server.log()
            assert len(server.log().splitlines()) == 4, server.log()


story(boom)
