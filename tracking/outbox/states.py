"""States of a delivery that more than one module asks about; ``waiting``, ``delivered`` and ``stopped`` are others."""

NOT_TAKEN = "not-taken"
"""Not sent, because the destination takes no document of this kind."""
SETTLED = ("delivered", NOT_TAKEN)
"""Nothing is left to do."""
OVERTAKEN = "overtaken"
"""Not sent, because the destination has a later document that says what holds."""
WITHHELD = "withheld"
"""Not sent, because the result that it is of does not hold any more."""
NO_DESTINATION = "there is no destination"
"""How the error begins with which a delivery stops whose destination left the settings."""
