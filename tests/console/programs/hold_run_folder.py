"""Opens the run folder named in argv with a profile, says so, and holds it until stdin ends."""

import sys
from pathlib import Path

from dexctl.console.run_folder import RunFolder
from dexctl.profile.load import load

with RunFolder(Path(sys.argv[1]), load(sys.argv[2])) as folder:
    sys.stdout.write("held\n")
    sys.stdout.flush()
    sys.stdin.read()
