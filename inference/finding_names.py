"""Names of findings and their notes, as shipped recipes write them, for the catalogues of translations.

A package carries its names in English: they are the meanings of its codes. They are translated where words are made of
them; a name that is not listed here stands as the package has it.
"""

from config.language.translation import marked

NAMES = (
    marked("Opacity"), marked("Atelectasis"), marked("Cardiomegaly"), marked("Pleural effusion"), marked("Infiltrate"),
    marked("Mass"), marked("Nodule"), marked("Pneumonia"), marked("Pneumothorax"), marked("Normal"),
    marked("Pattern of COVID-19 pneumonia"), marked("No pattern of COVID-19 pneumonia"),
)  # fmt: skip
NOTES = (marked("Only a pattern on top of an opacity, not a test for infection."),)
