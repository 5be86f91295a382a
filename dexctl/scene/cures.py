"""What to install where a machine cannot draw: errors and ``dexctl doctor`` say the same."""

from __future__ import annotations

GL = "On Debian: apt-get install libegl1 libgl1-mesa-dri. Elsewhere set MUJOCO_GL to egl, osmesa or glfw."
VULKAN = "On Debian: apt-get install libvulkan1 mesa-vulkan-drivers. Without it, give --renderer classic."
