"""The codes of findings by destination: the receiver's own, or those of one code system, beside the package's."""

from collections.abc import Mapping

from pydicom.sr.coding import Code

from config.destinations import CodedDestination
from inference.findings import Finding
from reporting.codes import coded

EQUIVALENTS: Mapping[tuple[str, str], Mapping[str, Code]] = {
    ("DCM", "112001"): {"radlex": Code("RID28530", "RADLEX", "opacity")},
    ("DCM", "112121"): {"snomed": Code("409609008", "SCT", "Radiologic infiltrate of lung")},
    ("SCT", "46621007"): {"radlex": Code("RID28493", "RADLEX", "atelectasis")},
    ("SCT", "60046008"): {"radlex": Code("RID34539", "RADLEX", "pleural effusion")},
    ("SCT", "4147007"): {"radlex": Code("RID3874", "RADLEX", "mass")},
    ("SCT", "27925004"): {"radlex": Code("RID3875", "RADLEX", "nodule")},
    ("SCT", "233604007"): {"radlex": Code("RID5350", "RADLEX", "pneumonia")},
    ("SCT", "36118008"): {"radlex": Code("RID5352", "RADLEX", "pneumothorax")},
    ("SCT", "95436008"): {"radlex": Code("RID43255", "RADLEX", "consolidation")},
    ("SCT", "17621005"): {"loinc": Code("LA6626-1", "LN", "Normal"), "radlex": Code("RID13173", "RADLEX", "normal")},
}  # fmt: skip
"""By scheme and value of a package's code: the same concept in the code systems that destinations may choose.

Sources: SNOMED CT by its names in UMLS; LOINC's answers (LA codes), as its other codes are questions; RadLex 4.3 by
preferred label. RadLex 4.3 has no class of cardiomegaly.
"""


def finding_codes(finding: Finding, destination: CodedDestination) -> tuple[Code, ...]:
    """Return the codes of a finding for a destination, the one that it asks for first, the package's last.

    The destination's own code of the finding comes before that of its code system; where there is neither, the
    package's code stands alone.
    """
    package = coded(finding.code)
    if finding.label in destination.codes:
        value, scheme, meaning = destination.codes[finding.label]
        chosen = Code(value, scheme, meaning)
    else:
        equivalents = EQUIVALENTS.get((finding.code.scheme, finding.code.value), {})
        chosen = equivalents.get(destination.code_system, package)
    same = (chosen.value, chosen.scheme_designator) == (package.value, package.scheme_designator)
    return (package,) if same else (chosen, package)
