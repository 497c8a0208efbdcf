"""The watch around the sandbox notices what an escaped program would do."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attacks.corpus import Places
from tests.attacks.surroundings import SECRET_NAME, lay_out


def call_tcp(places: Places) -> None:
    socket.create_connection(("127.0.0.1", places.tcp_port), timeout=5).close()


def send_udp(places: Places) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"hello", ("127.0.0.1", places.udp_port))


def call_unix(places: Places) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.connect(places.unix_socket)


def call_abstract(places: Places) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.connect(f"\0{places.abstract_socket}")


def write_file(places: Places) -> None:
    Path(places.canary_dir, "rl-train-canary-test").write_text("written")


def signal_canary(places: Places) -> None:
    os.kill(places.canary_pid, signal.SIGURG)


def kill_canary(places: Places) -> None:
    os.kill(places.canary_pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("touch", "complaint"),
    [
        (call_tcp, "somebody called"),
        (send_udp, "somebody called"),
        (call_unix, "somebody called"),
        (call_abstract, "somebody called"),
        (write_file, "was written"),
        (signal_canary, f"received signal {int(signal.SIGURG)}"),
        (kill_canary, "the canary process is dead"),
    ],
)
def test_every_touch_is_noticed(touch: Callable[[Places], None], complaint: str):
    with lay_out() as surroundings:
        assert surroundings.complaints() == []
        touch(surroundings.places)
        found = surroundings.complaints()
        for _ in range(100):
            if found:
                break
            time.sleep(0.05)
            found = surroundings.complaints()
        assert len(found) == 1
        assert complaint in found[0]


def test_an_orphan_is_noticed():
    start_orphan = "import subprocess as s; print(s.Popen(['sleep', '60'], stdout=s.DEVNULL, stderr=s.DEVNULL).pid)"
    with lay_out() as surroundings:
        assert surroundings.processes_left() == []
        orphan = int(subprocess.run([sys.executable, "-c", start_orphan], capture_output=True, check=True).stdout)
        try:
            assert surroundings.processes_left() == [f"process {orphan} is left: sleep 60 "]
        finally:
            os.kill(orphan, signal.SIGKILL)
            os.waitpid(orphan, 0)


def test_the_secret_is_in_the_environment_and_in_both_files_and_goes_away():
    with lay_out() as surroundings:
        token = os.environ[SECRET_NAME]
        for path in (surroundings.places.secret_file, surroundings.places.open_file):
            assert Path(path).read_text().strip() == token
    assert SECRET_NAME not in os.environ
    assert not Path(surroundings.places.secret_file).exists()
