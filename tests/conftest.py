"""What every test shares: how long a property may take, and how it is searched."""

from hypothesis import settings

# The first call of a test pays for imports, and this machine may be busy: time says nothing of a property.
# The search is the same every time, so that the suite says the same of the same code.
settings.register_profile("dexctl", deadline=None, derandomize=True)
settings.load_profile("dexctl")
