"""Any bytes as a file of hosts: commands are printed, one for each worker, or the file is refused."""

import subprocess
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

TOOL = Path(__file__).parents[2] / "tools" / "ssh-workers"
PATIENCE_S = 120.0
LINES = st.lists(
    st.one_of(
        st.sampled_from([b"host", b"2/me@host", b"# none", b"  h # c", b"/h", b"3/", b"99999/h", b"0/h", b"1/2/h"]),
        st.binary(max_size=12),
    ),
    max_size=4,
).map(b"\n".join)


@settings(max_examples=60)
@given(LINES)
def test_any_file_of_hosts_is_taken_or_refused_as_stated(content):
    told = subprocess.run(
        [TOOL, "-n", "-", "--", "--connect", "tcp://head:5555"],
        input=content,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert told.returncode in (0, 65), told.stderr
    if told.returncode == 65:
        assert told.stderr.startswith(b"error: ")
        assert told.stdout == b""
    else:
        assert all(line.startswith(b"ssh ") for line in told.stdout.splitlines())
