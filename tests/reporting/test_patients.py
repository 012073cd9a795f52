"""The last check before a document: the file still names whom the database has on record."""

import pytest

from config.errors import DocumentRejected
from reporting.patients import identity_in, require_recorded
from reporting.source import describe
from tests.accounts import good_header
from tracking.studies.patient import PatientIdentity


@pytest.mark.parametrize("stated", ["1960.01.31", "19600131", "1960.01.31 "])
def test_a_birth_date_is_the_same_in_the_older_form(stated: str) -> None:
    header = good_header()
    header.PatientBirthDate = "19600131"
    source = describe(header)
    recorded = identity_in(source)
    parts = {
        name: getattr(recorded, name) for name in ("patient_id", "issuer_of_patient_id", "patient_name", "patient_sex")
    }
    study, image = source.study_uid, source.sop_instance_uid
    require_recorded(source, study, image, PatientIdentity(**parts, patient_birth_date=stated))
    for other in ("1960.01.30", ""):
        with pytest.raises(DocumentRejected, match="Birth Date"):
            require_recorded(source, study, image, PatientIdentity(**parts, patient_birth_date=other))
