import socket

import pytest

from dexctl.console.notify import notify_ready, write_endpoint_file


@pytest.mark.parametrize("abstract", [False, True])
def test_the_service_manager_hears_ready(tmp_path, abstract):
    name = f"@{tmp_path}/notify" if abstract else f"{tmp_path}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name[1:]}" if abstract else name)
        assert notify_ready({"NOTIFY_SOCKET": name})
        assert manager.recv(100) == b"READY=1"


def test_nobody_to_tell_is_no_failure(tmp_path):
    assert not notify_ready({})
    assert not notify_ready({"NOTIFY_SOCKET": f"{tmp_path}/nobody"})


def test_an_endpoint_file_is_one_line(tmp_path):
    write_endpoint_file(tmp_path / "endpoint", "tcp://127.0.0.1:43717")
    assert (tmp_path / "endpoint").read_text() == "tcp://127.0.0.1:43717\n"
