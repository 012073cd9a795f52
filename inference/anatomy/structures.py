"""The structures that an anatomy network tells apart, in the order of its output's channels."""

BACKGROUND, RIGHT_LUNG, LEFT_LUNG, HEART = range(4)
STRUCTURES = ("background", "right_lung", "left_lung", "heart")
"""The patient's right lung lies on the left of an image that is displayed as the Standard says (PS3.3 C.7.6.1.1.1)."""
LUNGS = (RIGHT_LUNG, LEFT_LUNG)
