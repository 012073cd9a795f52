"""Terms for the chest and for other parts of the body, by language.

A part is named by the term of PS3.16 Annex L that a reader is told. Sources: Body Part Examined (0018,0015),
Annex L, CID 4031 Common Anatomic Region; values found in public collections.
"""

from inference.eligibility.terms import Terms

CHEST = "CHEST"
UNKNOWN = ""
"""The meaning of terms that name a part in one language and something else in another."""

_PARTS: dict[str | None, dict[str, tuple[str, ...]]] = {
    CHEST: {
        "English": ("chest", "CXR", "thorax", "lung", "lungs", "pulmonary"),
        "French": ("poumon", "poumons", "thoracique", "pulmonaire", "cage thoracique"),
        "Spanish": ("tórax", "pulmón", "pulmones", "pulmonar", "pulmonares"),
        "Italian": ("torace", "polmone", "polmoni", "polmonare"),
        "German": ("Lunge", "Lungen", "Röntgenthorax", "Thoraxaufnahme", "Thoraxröntgen", "Brustkorb", "Rö Thorax"),
        "Portuguese": ("pulmão", "pulmões", "pulmo"),
        "Dutch": ("longen", "thoraxfoto", "borstkas"),
        "Polish": ("klatka piersiowa", "klatki piersiowej", "klp", "płuca", "pluca", "płuc", "pluc"),
        "Turkish": ("göğüs", "akciğer", "toraks"),
        "Russian": (
            "грудная клетка", "грудной клетки", "грудную клетку", "органы грудной клетки", "органов грудной клетки",
            "ОГК", "лёгкие", "лёгких", "грудь", "груди", "торакс",
        ),
        "Swedish": ("lungor", "lungröntgen"),
        "Romanian": ("plămâni", "thora"),
        "Japanese": ("胸部", "胸写", "肺", "肺野"),
        "Chinese": ("胸部", "胸片", "胸腔", "胸", "肺部", "肺"),
        "Korean": ("흉부", "가슴"),
    },
    "HAND": {
        "English": ("hand", "hands"), "Spanish, Italian": ("mano", "manos", "mani"), "German": ("Hände",),
        "Portuguese": ("mão", "mãos"), "Polish": ("dłoń", "reka", "ręka", "ręki"), "Turkish": ("el grafisi",),
        "Russian": ("кисть", "кисти"), "Japanese, Chinese": ("手部", "右手", "左手"),
    },
    "FINGER": {
        "English": ("finger", "fingers", "thumb"), "French": ("doigt", "pouce"), "Spanish, Portuguese": ("dedo",),
        "Italian": ("dito",), "Russian": ("палец", "пальца"), "Japanese, Chinese": ("手指",),
    },
    "WRIST": {
        "English": ("wrist", "wrists", "scaphoid"), "French": ("poignet",), "Spanish": ("muñeca",),
        "Italian": ("polso",), "German": ("Handgelenk",), "Portuguese": ("punho",), "Dutch": ("pols",),
        "Polish": ("nadgarstek",), "Russian": ("запястье", "лучезапястный"), "Japanese": ("手関節",),
        "Chinese": ("腕关节", "手腕"),
    },
    "FOREARM": {
        "English": ("forearm", "radius", "ulna"), "French": ("avant bras",), "Spanish": ("antebrazo",),
        "Italian": ("avambraccio",), "German": ("Unterarm",), "Portuguese": ("antebraço",), "Dutch": ("onderarm",),
        "Russian": ("предплечье",), "Japanese": ("前腕",), "Chinese": ("前臂",),
    },
    "ELBOW": {
        "English": ("elbow", "elbows"), "French": ("coude",), "Spanish": ("codo",), "Italian": ("gomito",),
        "German": ("Ellbogen", "Ellenbogen"), "Portuguese": ("cotovelo",), "Dutch": ("elleboog",),
        "Polish": ("łokieć",), "Turkish": ("dirsek",), "Russian": ("локтевой", "локоть"), "Japanese": ("肘", "肘関節"),
        "Chinese": ("肘", "肘关节"),
    },
    "ARM": {"English": ("arm", "arms", "upper limb"), "German": ("Oberarm",), "Spanish": ("brazo",)},
    "HUMERUS": {
        "English": ("humerus",), "French": ("humérus",), "Spanish": ("húmero",), "Italian": ("omero",),
        "Portuguese": ("úmero",), "Russian": ("плечевая кость",), "Japanese": ("上腕",), "Chinese": ("肱骨",),
    },
    "SHOULDER": {
        "English": ("shoulder", "shoulders", "ACJOINT", "AC joint", "AC joints"), "French": ("épaule", "épaules"),
        "Spanish": ("hombro",), "Italian": ("spalla",), "German": ("Schulter",), "Portuguese": ("ombro",),
        "Dutch": ("schouder",), "Polish": ("bark", "barku"), "Turkish": ("omuz",), "Russian": ("плечо", "плечевой"),
        "Japanese": ("肩", "肩関節"), "Chinese": ("肩", "肩关节"), "Korean": ("어깨",),
    },
    "SCAPULA": {"English": ("scapula",), "German": ("Skapula",), "Japanese, Chinese": ("肩甲骨", "肩胛骨")},
    "CLAVICLE": {
        "English": ("clavicle", "clavicles"), "French": ("clavicule",), "Spanish, Portuguese": ("clavícula",),
        "Italian": ("clavicola",), "German": ("Klavikula", "Clavicula", "Schlüsselbein"), "Dutch": ("sleutelbeen",),
        "Russian": ("ключица",), "Japanese": ("鎖骨",), "Chinese": ("锁骨", "鎖骨"),
    },
    "RIB": {
        "English": ("rib", "ribs"), "French": ("gril costal", "grill costal", "côtes"),
        "Spanish": ("costillas", "parrilla costal", "reja costal", "tórax óseo"), "Italian": ("coste", "emicostato"),
        "German": ("Rippen", "knöcherner Thorax"), "Portuguese": ("costelas", "arcos costais"),
        "Dutch": ("ribben",), "Polish": ("żebra", "zeber"), "Turkish": ("kosta",), "Russian": ("рёбра", "рёбер"),
        "Japanese, Chinese": ("肋骨",), "Korean": ("늑골",),
    },
    "STERNUM": {
        "English": ("sternum", "SCJOINT"), "French": ("sternum",), "Spanish": ("esternón",), "Italian": ("sterno",),
        "Portuguese": ("esterno",), "Russian": ("грудина", "грудины"), "Japanese, Chinese": ("胸骨",),
    },
    "BREAST": {
        "English": ("breast", "breasts", "mammogram", "mammography"), "French": ("seins",),
        "Spanish, Portuguese": ("mama", "mamas"), "Italian": ("mammella",), "German": ("Mamma",),
        "Russian": ("молочная железа",), "Japanese": ("乳房",), "Chinese": ("乳腺",),
    },
    "ABDOMEN": {
        "English": ("abdomen", "abdominal", "abd", "KUB", "stomach", "colon"), "French": ("ASP",),
        "Italian": ("addome",), "Portuguese": ("abdômen", "abdome"), "Dutch": ("buik",),
        "Polish": ("brzuch", "brzucha"), "Turkish": ("batın", "karın"),
        "Russian": ("брюшная полость", "брюшной полости", "живот"),
        "Japanese, Chinese": ("腹部",), "Korean": ("복부",),
    },
    "PELVIS": {
        "English": ("pelvis", "pelvic"), "French": ("bassin",), "Italian": ("bacino",), "German": ("Becken",),
        "Portuguese": ("bacia", "pelve"), "Dutch": ("bekken",), "Polish": ("miednica",), "Russian": ("таз", "таза"),
        "Japanese": ("骨盤",), "Chinese": ("骨盆",), "Korean": ("골반",),
    },
    "HIP": {
        "English": ("hip", "hips"), "French": ("hanche", "hanches"), "Spanish": ("cadera", "caderas"),
        "Italian": ("anca",), "German": ("Hüfte", "Hüftgelenk"), "Portuguese": ("quadril",), "Dutch": ("heup",),
        "Polish": ("biodro",), "Turkish": ("kalça",), "Russian": ("тазобедренный",), "Japanese": ("股関節",),
        "Chinese": ("髋关节", "髋"),
    },
    "FEMUR": {
        "English": ("femur", "thigh"), "French": ("fémur",), "Spanish, Portuguese": ("fémur", "fêmur"),
        "Italian": ("femore",), "German": ("Oberschenkel",), "Russian": ("бедро",), "Japanese": ("大腿",),
        "Chinese": ("股骨",),
    },
    "KNEE": {
        "English": ("knee", "knees", "patella"), "French": ("genou", "genoux"), "Spanish": ("rodilla", "rodillas"),
        "Italian": ("ginocchio",), "German": ("Knie", "Kniegelenk"), "Portuguese": ("joelho", "joelhos"),
        "Polish": ("kolano",), "Turkish": ("diz",), "Russian": ("колено", "коленный"), "Japanese": ("膝", "膝関節"),
        "Chinese": ("膝", "膝关节"), "Korean": ("무릎",),
    },
    "LEG": {
        "English": ("leg", "legs", "lower leg", "lower limb", "fibula"), "French": ("jambe",), "Spanish": ("pierna",),
        "Italian": ("gamba",), "German": ("Unterschenkel",), "Portuguese": ("perna",), "Russian": ("голень",),
        "Japanese": ("下腿",), "Chinese": ("小腿", "胫腓骨"),
    },
    "TIBIA": {"English": ("tibia",)},
    "ANKLE": {
        "English": ("ankle", "ankles"), "French": ("cheville",), "Spanish": ("tobillo",), "Italian": ("caviglia",),
        "German": ("Sprunggelenk",), "Portuguese": ("tornozelo",), "Dutch": ("enkel",), "Turkish": ("ayak bileği",),
        "Russian": ("голеностопный",), "Japanese": ("足関節",), "Chinese": ("踝关节", "踝"),
    },
    "FOOT": {
        "English": ("foot", "feet"), "French": ("pied", "pieds"), "Italian": ("piede", "piedi"), "German": ("Fuß",),
        "Dutch": ("voet",), "Polish": ("stopa",), "Turkish": ("ayak",), "Russian": ("стопа", "стопы"),
        "Japanese, Chinese": ("足部", "右足", "左足"),
    },
    "TOE": {"English": ("toe", "toes"), "French": ("orteil",), "German": ("Zehe",), "Japanese": ("足趾",)},
    "CALCANEUS": {"English": ("calcaneus", "heel"), "French": ("calcanéum",), "Spanish": ("calcáneo",)},
    "EXTREMITY": {"English": ("extremity", "extremities")},
    "CSPINE": {
        "English": ("cspine", "c spine", "cervical spine", "cervical"), "French": ("rachis cervical",),
        "Spanish, Portuguese": ("columna cervical", "coluna cervical"), "Italian": ("rachide cervicale", "cervicale"),
        "German": ("HWS",), "Russian": ("шейный отдел",), "Japanese": ("頚椎", "頸椎"), "Chinese": ("颈椎",),
    },
    "TSPINE": {
        "English": ("tspine", "t spine", "thoracic spine", "dorsal spine", "d spine"),
        "French": ("rachis dorsal", "rachis thoracique"),
        "Spanish, Portuguese": ("columna dorsal", "columna torácica", "coluna torácica", "coluna dorsal"),
        "Italian": ("rachide dorsale", "colonna dorsale"), "German": ("BWS",),
        "Polish": ("kręgosłup piersiowy",), "Russian": ("грудной отдел", "грудного отдела"),
        "Japanese, Chinese": ("胸椎",), "Korean": ("흉추",),
    },
    "LSPINE": {
        "English": ("lspine", "l spine", "lumbar spine", "lumbar"), "French": ("rachis lombaire",),
        "Spanish, Portuguese": ("columna lumbar", "coluna lombar"), "Italian": ("rachide lombare",), "German": ("LWS",),
        "Russian": ("поясничный отдел",), "Japanese, Chinese": ("腰椎",), "Korean": ("요추",),
    },
    "SPINE": {
        "English": ("spine", "scoliosis", "thoracolumbar", "tlspine", "lsspine"), "French": ("rachis",),
        "Spanish": ("columna",), "Italian": ("rachide", "colonna vertebrale"), "German": ("Wirbelsäule",),
        "Portuguese": ("coluna",), "Dutch": ("wervelkolom",), "Russian": ("позвоночник", "позвоночника"),
        "Japanese, Chinese": ("脊柱", "脊椎"),
    },
    "SSPINE": {"English": ("sspine", "sacrum", "sacral", "SIJOINT"), "Chinese": ("骶椎",), "Japanese": ("仙骨",)},
    "COCCYX": {"English": ("coccyx",), "Japanese": ("尾骨",)},
    "CERVIX": {"English": ("cervix",)},
    "HEAD": {"English": ("head",), "French": ("tête",), "Russian": ("голова",), "Japanese, Chinese": ("头部", "頭部")},
    "SKULL": {
        "English": ("skull", "sinus", "sinuses", "orbit", "orbits", "nasal bones", "facial bones", "TMJ"),
        "French": ("crâne",), "Spanish": ("cráneo",), "Italian": ("cranio",), "German": ("Schädel", "Schaedel"),
        "Portuguese": ("crânio",), "Dutch": ("schedel",), "Polish": ("czaszka", "czaszki"), "Turkish": ("kafa",),
        "Russian": ("череп", "черепа"), "Japanese": ("頭蓋骨", "頭蓋"), "Chinese": ("颅骨", "头颅"),
    },
    "JAW": {
        "English": ("jaw", "mandible", "maxilla"), "French": ("mandibule",), "German": ("Kiefer",),
        "Japanese": ("顎",), "Chinese": ("下颌",),
    },
    "NECK": {
        "English": ("neck",), "French": ("cou",), "Spanish": ("cuello",), "Italian": ("collo",),
        "Portuguese": ("pescoço",), "Russian": ("шея",), "Japanese, Chinese": ("颈部", "頚部", "頸部"),
    },
    UNKNOWN: {
        "English": ("face",),  # French for the frontal view
        "French": ("main", "mains"),  # French for hand
        "Spanish": ("pie",),  # foot; "de pie" means upright
        "German": ("Hemithorax",),  # the ribs of one side
    },
    None: {
        "English": ("head up", "head of bed", "c arm", "arms up", "arms down"),
        "French": ("de face",),
        "Spanish": ("de pie", "en pie"),
    },
}  # fmt: skip

REGION_TERMS = Terms.of(_PARTS)
"""Words that name a part of the body in any text."""
CHEST_CODES = frozenset({"816094009", "51185008", "T-D3000", "39607008", "T-28000"})
"""Chest and lung: SCT, and the SRT codes that came before."""
