"""Any rigid body as the object: the first one of an MJCF file."""

from __future__ import annotations

import mujoco

from dexctl.errors import ProfileError
from dexctl.profile import schema


def attach_body(spec: mujoco.MjSpec, path: str, name: str, position_m: schema.Vector) -> mujoco.MjsBody:
    """Attaches the first body of a file, without its joints, under a new name.

    Args:
        path: of an MJCF file; what the body hangs on and everything else in the file stay behind.
        position_m: world frame; the body's own place in its file does not count.

    Raises:
        ProfileError: the file cannot be read, or has no body that is rigid and can be touched.
    """
    try:
        source = mujoco.MjSpec.from_file(path)
    except (ValueError, OSError) as error:
        raise ProfileError(f"object.model: {path}: {' '.join(str(error).split())}") from error
    body = source.worldbody.first_body()
    if body is None:
        raise ProfileError(f"object.model: {path}: there is no body in it")
    if any(inner.joints for inner in _below(body)):
        raise ProfileError(f"object.model: {path}: body '{body.name}' has moving parts", "Give a rigid one.")
    if not any(geom.contype or geom.conaffinity for one in (body, *_below(body)) for geom in one.geoms):
        raise ProfileError(
            f"object.model: {path}: nothing can touch body '{body.name}'",
            "Give it a geom whose contype and conaffinity are not 0.",
        )
    for joint in list(body.joints):
        source.delete(joint)
    body.pos, body.quat = (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0)
    attached = spec.worldbody.add_frame(pos=position_m).attach_body(body, f"{name}/", "")
    attached.name = name
    return attached


def _below(body: mujoco.MjsBody) -> list[mujoco.MjsBody]:
    return [one for child in body.bodies for one in (child, *_below(child))]
