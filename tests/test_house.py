"""The house keeps its own rules: floors, size, words and types for what is public, nothing dead, nothing hidden."""

import ast
import re
from functools import cache
from pathlib import Path

import vulture

from dexctl.commands import COMMANDS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dexctl"

# From the ground up; a room imports rooms of the floors below its own.
FLOORS = (
    {"rotation", "randomness", "profile", "errors"},
    {"scene", "store", "wire"},
    {"physics", "randomize"},
    {"reorient", "policy"},
    {"ppo", "rollout", "vision", "robot", "gym"},
    {"calibrate", "evaluate"},
    {"commands", "console", "__main__"},
)
# Next door on the same floor, one way only.
NEIGHBOURS = {
    ("profile", "errors"),
    ("randomize", "physics"),
    ("policy", "reorient"),
    ("calibrate", "evaluate"),
    ("commands", "console"),
    ("__main__", "commands"),
    ("__main__", "console"),
}

MOST_LINES = 400
# Files that are longer, with the reason; this list only shrinks.
LONGER: dict[str, str] = {}

# The only rooms that know of terminals and processes.
EDGE = {"commands", "console", "__main__"}

# A library's own logging is quietened and sent to where people look; a process of its own answers over a pipe.
ALLOWED = {
    "dexctl/scene/web_viewer.py": {"logging", "sys.stderr"},
    "dexctl/vision/rendering/worker.py": {"sys.stdin"},
}

# What vulture cannot see being used: by Typer, by its command classes, by hatchling, by Gymnasium,
# by Stable-Baselines3, by tests, as a format's field.
USED_FROM_OUTSIDE = {
    *("list_commands", "format_commands"),
    *("PALM", "FINGERTIP_MARKERS", "OCCLUSION_BOXES", "Pages", "initialize"),
    *("make", "make_vec", "metadata"),
    *("step_async", "step_wait", "get_attr", "set_attr", "env_method", "env_is_wrapped", "on_training_step"),
    *("list_profiles", "format_version", "explained_variance", "on_build_gui", "__call__"),
    *(entry.target.partition(":")[2] for entry in COMMANDS.values()),
}

SOURCES = sorted(PACKAGE.rglob("*.py"))
ALL = [*SOURCES, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "tools").rglob("*.py"))]


def called(path):
    return str(path.relative_to(ROOT))


def room_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@cache
def parsed(path):
    return ast.parse(path.read_text(), str(path))


def imported(path):
    """Full names of what a file imports, wherever in it the import stands."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def rooms_imported(path):
    """Rooms of the package that a file imports, but not the package itself."""
    names = [name.split(".") for name in imported(path)]
    assert not [name for name in names if name[0] == ""], "a relative import"
    return {parts[1] for parts in names if parts[0] == "dexctl" and len(parts) > 1} - {"__version__"}


def definitions(path):
    """Public functions, methods and classes of a file, with their dotted names."""

    def inside(node, prefix):
        for child in node.body:
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            if child.name.startswith("_"):
                continue
            yield f"{prefix}{child.name}", child
            if isinstance(child, ast.ClassDef):
                yield from inside(child, f"{prefix}{child.name}.")

    yield from inside(parsed(path), "")


def called_functions(path):
    return {ast.unparse(node.func) for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)}


def packages_imported(path):
    return {name.partition(".")[0] for name in imported(path)}


def missing(paths, fault):
    """What is wrong with each file that something is wrong with."""
    found = {called(path): fault(path) for path in paths}
    return {path: wrong for path, wrong in found.items() if wrong}


def test_every_room_has_a_floor():
    assert {room_of(path) for path in SOURCES} - {"__init__"} <= set.union(*FLOORS)


def test_a_room_imports_only_what_is_below_it():
    floor_of = {room: number for number, rooms in enumerate(FLOORS) for room in rooms} | {"__init__": 0}

    def above(path):
        room = room_of(path)
        others = rooms_imported(path) - {room}
        return {one for one in others if floor_of[one] >= floor_of[room] and (room, one) not in NEIGHBOURS}

    assert missing(SOURCES, above) == {}


def test_neighbours_are_used_and_one_way():
    used = {(room_of(path), other) for path in SOURCES for other in rooms_imported(path)}
    assert used >= NEIGHBOURS
    assert not {(other, room) for room, other in NEIGHBOURS} & used


def test_a_file_is_one_room_of_readable_size():
    lines = {called(path): len(path.read_text().splitlines()) for path in ALL}
    assert {path for path, count in lines.items() if count > MOST_LINES} == LONGER.keys()
    assert not {path.stem for path in ALL} & {"utils", "util", "common", "helpers", "misc", "base"}


def test_what_is_public_says_what_it_is_in_a_sentence():
    def silent(path):
        told = {"module": ast.get_docstring(parsed(path))}
        told |= {name: ast.get_docstring(node) for name, node in definitions(path)}
        return [name for name, text in told.items() if not (text or "").partition("\n")[0].endswith((".", "?"))]

    assert missing(SOURCES, silent) == {}


def test_every_function_is_typed():
    def untyped(path):
        for node in ast.walk(parsed(path)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            takes = node.args
            given = [*takes.posonlyargs, *takes.args, *takes.kwonlyargs, takes.vararg, takes.kwarg]
            bare = [one.arg for one in given if one and one.annotation is None and one.arg not in ("self", "cls")]
            if bare or node.returns is None:
                yield node.name, bare

    assert missing(SOURCES, lambda path: list(untyped(path))) == {}


def test_only_the_edge_prints_parses_and_exits():
    forbidden = {"print", "input", "exit", "quit", "argparse", "typer", "rich", "logging"}
    forbidden |= {"sys.stdout", "sys.stderr", "sys.stdin", "sys.argv", "sys.exit", "os._exit"}

    def touched(path):
        attributes = {ast.unparse(node) for node in ast.walk(parsed(path)) if isinstance(node, ast.Attribute)}
        used = attributes | called_functions(path) | packages_imported(path)
        return used & forbidden - ALLOWED.get(called(path), set())

    assert missing([path for path in SOURCES if room_of(path) not in EDGE], touched) == {}


def test_nothing_is_pickled():
    def pickled(path):
        words = (node for node in ast.walk(parsed(path)) if isinstance(node, ast.keyword))
        allowed = {word.arg for word in words if word.arg == "allow_pickle" and ast.unparse(word.value) != "False"}
        packages = packages_imported(path) & {"pickle", "dill", "cloudpickle", "shelve", "joblib", "marshal"}
        return packages | allowed | called_functions(path) & {"torch.load", "torch.save", "eval", "exec"}

    assert missing(ALL, pickled) == {}


def test_no_test_sleeps():
    tests = [path for path in ALL if path.is_relative_to(ROOT / "tests") and "programs" not in path.parts]
    assert missing(tests, lambda path: called_functions(path) & {"time.sleep", "sleep"}) == {}


def test_nothing_is_left_to_do():
    words = re.compile(r"\b(TODO|FIXME|XXX|HACK|WIP)\b")
    pages = [*ROOT.glob("*.md"), *ROOT.glob("man/*.[157]"), *ROOT.glob("profiles/**/*.toml")]
    recipes = [path for path in (ROOT / "tools").iterdir() if path.is_file() and not path.suffix]
    everything = [path for path in [*ALL, *pages, *recipes] if path != Path(__file__)]
    assert missing(everything, lambda path: words.findall(path.read_text())) == {}


def from_benches(path):
    """What a test takes from a bench."""
    files = {bench.stem for bench in (ROOT / "tools" / "bench").glob("*.py")}
    return [parts[2] for name in imported(path) if (parts := name.partition("."))[0] in files]


def dead():
    """What vulture finds unused by the package and the tools: a use by tests alone is none, but of the benches."""
    benches = {name for path in ALL if path.is_relative_to(ROOT / "tests") for name in from_benches(path)}
    found = vulture.Vulture(ignore_names=sorted(USED_FROM_OUTSIDE | benches))
    found.scavenge([PACKAGE, ROOT / "tools"])
    items = found.get_unused_code(min_confidence=60)
    # An attribute that is only set belongs to a library's object: a socket, a specification of a scene.
    return [(called(item.filename), item.name) for item in items if item.typ not in ("attribute", "import")]


def test_nothing_is_dead():
    assert dead() == []
