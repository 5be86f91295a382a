"""The events of man/dexctl-events.5 as a schema: every event that a command writes is held to the page."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "man" / "dexctl-events.5"
FIELD = re.compile(r"\.TP\n\.B (?P<name>\w+)\n\((?P<type>[^;)]+)(; (?P<when>[^)]+))?\)")
PLAIN = {"text": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict}


def read(text):
    """Kinds of events, each with its keys, each with type and when it is there; the envelope under ''."""
    text = text.replace("\\-", "-")
    envelope = text.partition(".SH EVERY EVENT\n")[2].partition(".SH ")[0]
    kinds = text.partition(".SH KINDS\n")[2].partition(".SH ")[0].split(".SS ")[1:]
    sections = {"": envelope} | {section.partition("\n")[0]: section for section in kinds}
    return {
        kind: {one["name"]: (one["type"], one["when"] or "") for one in FIELD.finditer(section)}
        for kind, section in sections.items()
    }


KINDS = read(PAGE.read_text())


def fits(value, kind):
    """Whether a value is of the type that the page states."""
    if kind.endswith(" or null"):
        return value is None or fits(value, kind.removesuffix(" or null"))
    outer, _, inner = kind.partition(" of ")
    if inner:
        values = value.values() if isinstance(value, dict) else value
        return isinstance(value, list if outer == "list" else dict) and all(fits(one, inner) for one in values)
    return isinstance(value, PLAIN[kind]) and (kind == "boolean" or not isinstance(value, bool))


def faults(event, command):
    """What is wrong with an event of a command, in words."""
    kind = event.get("event")
    if kind not in KINDS or not kind:
        return [f"the page has no event '{kind}'"]
    keys = KINDS[""] | KINDS[kind]
    found = [f"{kind}: the page has no key '{key}'" for key in event.keys() - keys.keys()]
    for key, (type_, when) in keys.items():
        if key in event:
            finite = key not in event.get("nonfinite", ())
            found += [f"{kind}.{key}: not {type_}: {event[key]!r}"] * (finite and not fits(event[key], type_))
            found += [f"{kind}.{key}: not of {command}"] * (when not in ("", "sometimes") and command not in when)
        elif not when or command in when.split(", "):
            found.append(f"{kind}: no key '{key}'")
    return found
