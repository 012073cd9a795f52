"""Terms for the views of a chest, by language: as values of View Position and as words of descriptions.

Sources: View Position (0018,5101), PS3.3 C.8.1.1.1 and C.8.11.5; CID 4010 DX View; values found in public collections.
"""

from inference.eligibility.answer import View
from inference.eligibility.terms import Terms

_VIEWS: dict[View | None, dict[str, tuple[str, ...]]] = {
    View.FRONTAL: {
        "Standard": ("PA", "AP"),
        "English": (
            "frontal", "front", "posteroanterior", "postero anterior", "posterior anterior", "posterior to anterior",
            "anteroposterior", "antero posterior", "anterior posterior", "anterior to posterior",
        ),
        "French": (
            "face", "frontale", "postéro antérieur", "postéro antérieure", "postéroantérieure", "antéro postérieur",
            "antéro postérieure", "antéropostérieure",
        ),
        "Spanish, Portuguese": ("frente",),
        "Italian": (
            "postero anteriore", "posteroanteriore", "antero posteriore", "anteroposteriore", "frontale", "fronte",
        ),
        "German": ("frontalaufnahme", "Frontalbild"),
        "Dutch": ("frontaal", "voorachterwaarts", "achtervoorwaarts"),
        "Polish": ("tylno przednia", "tylno przednie", "przednio tylna", "przednio tylne", "tylnoprzednie"),
        "Turkish": ("ön arka", "arka ön"),
        "Russian": (
            "прямая", "прямой", "прямое", "прямую", "фронтальная", "фронтальной", "передняя", "передней",
            "переднезадняя", "переднезадней", "заднепередняя", "заднепередней", "передне задняя",
            "передне задней", "задне передняя", "задне передней",
        ),
        "Japanese": ("正面", "前後方向", "後前方向", "前後像", "後前像", "背腹", "腹背"),
        "Chinese": ("正位", "后前位", "後前位", "前后位", "前後位"),
        "Korean": ("정면", "전후면", "후전면"),
    },
    View.LATERAL: {
        "Standard": ("LL", "RL"),
        "English": (
            "lateral", "laterals", "lat", "lats", "LLAT", "RLAT", "lt lat", "rt lat", "ltlat", "rtlat", "side view",
            "xtable", "x table", "cross table", "crosstable",
        ),
        "French": ("profil", "profils", "latérale"),
        "Spanish, Portuguese": ("perfil", "laterales", "laterais"),
        "Italian": ("profilo", "laterale", "latero laterale", "laterolaterale", "latero lateral"),
        "German": (
            "seitlich", "seitliche", "seitlicher", "seitliches", "seitl", "Seitenaufnahme", "Seitaufnahme", "Seitbild",
            "Seitenbild", "Lateralaufnahme", "lateralis",
        ),
        "Dutch": ("lateraal", "laterale", "zijdelings", "zijdelingse", "dwars", "dwarse", "profiel"),
        "Polish": ("boczne", "boczna", "boczny", "bocznej", "bok", "boku"),
        "Turkish": ("yan", "yandan"),
        "Russian": (
            "боковая", "боковой", "боковое", "боковую", "боковые", "боковых", "бок", "латеральная", "латеральной",
            "профиль",
        ),
        "Japanese": ("側面", "側位"),
        "Chinese": ("侧位", "侧面", "側片", "侧片"),
        "Korean": ("측면",),
    },
    View.OBLIQUE: {
        "Standard": ("RLO", "LLO", "RAO", "LAO", "RPO", "LPO"),
        "English": ("oblique", "obliques", "obl", "obliq"),
        "French": ("OAD", "OAG", "OPD", "OPG"),
        "Spanish, Portuguese": ("oblicua", "oblicuas", "oblicuo", "oblíqua", "oblíquas", "oblíquo", "OAI", "OPI"),
        "Italian": ("obliqua", "obliquo", "obliqui"),
        "German": ("schräg", "schraeg", "schräge", "Schrägaufnahme", "halbschräg"),
        "Dutch": ("schuin", "schuine"),
        "Polish": ("skośne", "skośna", "skośny"),
        "Turkish": ("oblik",),
        "Russian": ("косая", "косой", "косое", "косые"),
        "Japanese, Chinese": ("斜位", "斜片"),
    },
    View.DECUBITUS: {
        "Standard": ("LLD", "RLD"),
        "English": (
            "decubitus", "decub", "decubs", "lateral decubitus", "lateral decub", "lat decubitus", "lat decub",
            "dorsal decubitus", "ventral decubitus",
        ),
        "French": ("décubitus latéral",),
        "Spanish, Portuguese": ("decúbito lateral",),
        "Italian": ("decubito laterale",),
        "German": ("Seitenlage", "Linksseitenlage", "Rechtsseitenlage", "in Seitenlage"),
        "Dutch": ("zijligging",),
        "Polish": ("na boku",),
        "Turkish": ("dekübitus", "dekübit", "lateral dekübitus", "lateral dekübit"),
        "Russian": ("на боку", "латеропозиция", "латеропозиции", "декубитус"),
        "Japanese": ("側臥位", "デクビタス"),
        "Chinese": ("侧卧位", "侧卧", "側臥"),
        "Korean": ("측와위",),
    },
    View.LORDOTIC: {
        "English": (
            "lordotic", "lordotics", "apical lordotic", "apical view", "apices", "AP axial", "PA axial", "AP apical",
            "Lindblom",
        ),
        "French": ("lordotique", "apico lordotique"),
        "Spanish, Portuguese, Italian": ("lordótica", "lordótico", "apicolordótica", "apico lordótica", "lordotica"),
        "German": ("lordotisch", "lordotische", "Lordoseaufnahme"),
        "Russian": ("лордотическая", "лордотической", "верхушки", "верхушек"),
        "Japanese": ("肺尖",),
        "Chinese": ("前弓位", "前凸位"),
    },
    View.SWIMMERS: {
        "English": ("swimmers", "swimmer", "swimmer s"),
        "French": ("nageur",),
        "Spanish, Portuguese": ("nadador",),
        "Italian": ("nuotatore",),
        "German": ("Schwimmer",),
    },
    View.UNKNOWN: {  # terms that name two views, or that mean one thing here and another there
        "French": ("face décubitus", "face en décubitus", "face au lit décubitus"),  # lying, mostly on the back
        "Spanish, Portuguese, Italian": ("decúbito",),
        "Japanese": ("正側",),
        "Chinese": ("正侧", "正側"),
    },
    None: {  # lying on the back or the belly says nothing about the view
        "French": ("décubitus dorsal", "décubitus ventral"),
        "Spanish, Portuguese, Italian": (
            "decúbito dorsal", "decúbito supino", "decúbito ventral", "decúbito prono", "decubito dorsale",
        ),
    },
}  # fmt: skip

DESCRIPTION_TERMS = Terms.of(_VIEWS)
"""Words that name a view in any text."""

POSITION_TERMS = Terms.of(
    {
        **_VIEWS,
        View.LORDOTIC: {**_VIEWS[View.LORDOTIC], "View Position": ("axial", "apical", "apex")},
    }
)
"""The same, and what means a view only where nothing but a view can stand."""
LATERAL_ALONE = ("L",)
"""A View Position of this word and no other is a lateral view; elsewhere it is a side, or a vertebra (L5 S1)."""

VIEW_CODES: dict[str, View] = {
    **dict.fromkeys(
        ("272479007", "399348003", "399033003", "R-40888", "R-10214", "R-10206", "R-10202"), View.FRONTAL
    ),
    **dict.fromkeys(
        ("399067008", "399173006", "399198007", "399352003", "399260004", "R-102CD", "R-10236", "R-10232"), View.LATERAL
    ),
    **dict.fromkeys(
        (
            "399182000", "399312000", "399160007", "399132005", "260427002", "399099002", "399135007", "399184004",
            "399006002", "260426006", "399368009", "399004004", "399225005", "399288005", "399059000", "399356000",
            "399236003", "399038007", "399325008",
        ),
        View.OBLIQUE,
    ),
    **dict.fromkeys(("32185000", "102536004", "102535000"), View.DECUBITUS),
    **dict.fromkeys(("399061009", "260450008"), View.LORDOTIC),
}  # fmt: skip
"""Codes of CID 4010 DX View and CID 20 Patient Orientation Modifier (SCT), and the SRT codes that came before."""
