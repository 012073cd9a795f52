"""One tiny known frame for each compressed transfer syntax, to try the installed decoders on.

Every frame is the same 8 x 8 grey ramp, pixel (row, column) = (row + column) * (maximum // 14), one sample a pixel,
MONOCHROME2, encoded by DCMTK, OpenJPEG or OpenJPH. The texts are base 85 of zlib of the codestream.
"""

import base64
import zlib
from typing import NamedTuple

SIDE = 8


class ProbeFrame(NamedTuple):
    """An encoded frame and how many bits of each pixel are used."""

    bits_stored: int
    codestream: bytes


_ENCODED = {
    "1.2.840.10008.1.2.4.50": (
        8,
        r"c-mErI}XAy5Jbm`O)Rey>|lpbB2iJ(BY_kNI%=-KLAVtZ+<=Bp!%Y^u%zIOfG{Z0c!5xRg03iU81b?wdSrj=5nWD"
        r"5(QYuqb6K##PWQgjfb#>z#BG)-T3o%AJo%dbn+YkfaK^jRRJotf-pGTCbT{s9eYBg4y-HAVW2yC&uoUhOIjo*J*D"
        r";L5",
    ),
    "1.2.840.10008.1.2.4.51": (
        12,
        r"c-s4a<NpH&0WUXCHwH#V1_nkTWcYuZ!I^=Xi3x;&fCY$HIapa)SXjB(+1WUFxOjNDxwyG``Gf>``2_j6xdp@o1cg"
        r"OJMMZh|#U;c<B!omnMgAXT;O1fAVBlb66lC~+gh2#kG74Y;ib@MGFtRWsi}EmNSh$5I75~2l(#pVK&!Di`>FklP?"
        r"ymL47wiB3zX<>_)Ex@",
    ),
    "1.2.840.10008.1.2.4.57": (
        12,
        r"c-s4a<NpH&0WUXCHwH#V1_nkTWcYuWfm?uqgMovQQIO&P5e6}!6i^rmaBvFzzXg(KU}IpoGHFtfm#3$us>+g1l}V"
        r"l;v{K0v!qW192u$*t1eKbEN0Imcn*dnbCgA",
    ),
    "1.2.840.10008.1.2.4.70": (
        12,
        r"c-s4a<NpH&0WUXCHwH#V1_nkTWcYuWfm?uqgMovQQIO&P5e8AP6f)ox_<su|4N^VHWul6w5Y>qP|8D{S0Wl*F",
    ),
    "1.2.840.10008.1.2.4.80": (
        12,
        r"c-s4a<NtRCZUF`k1`b9>L5BZ77<d`~|7Q?laAp)?aQJ@<B+LK=o9x_A?BrEg{H1!5k(=9zPEG~oHxv2=FIl*qxG1"
        r"U2)6+dMNz0XErjU|OM~A>C8E20~Zbg@tmI+OKjvbmT3MmbZ0zwS`<DY;1qx}B%mp}XYcfa{H@xlL_0PdqQVE",
    ),
    "1.2.840.10008.1.2.4.81": (
        12,
        r"c-s4a<NtRCZXN~>1`b9>L5BagKr{mr14DxkYs{THcVZ3%u+Ej0We8wx2)uX_2o4^+cn}CKUfg+c=gyrQSf!=s%$A"
        r"m#3q%ZoD_1UDxp3hORw-Fo$(eH+B2WCk2>=~7DQo",
    ),
    "1.2.840.10008.1.2.4.90": (
        12,
        r"c-s5#|38pHlK})cpcn>F`Hb9*jQ@iectA`B1{M|u#{V%4EDj0(Qy5ek7@dn!6H8K46p|_x{0ma^yaHU^70ObJiZk"
        r"=`6pZvt^-TUxVBi9q6Ajcj`Tj!<A??(oat|w5#MHDe>nt}^d~jjv`4tP*MY?8uEmK*O$ENc?Q}bim$w_X7SIo6e7"
        r"|1VByk`E?bVsG`(L>jm_ISqHFZD3lI8%*9$^QRM0A@%!Oa",
    ),
    "1.2.840.10008.1.2.4.91": (
        12,
        r"c-s5#|38pHlK})cpcn>F`Hb9*jQ@ieco~@(7#SE?SQr>O{>Lz|IwdgtPhn7HV011@O)N=GQAny(@GnTs^9pcvS13"
        r"y@D$dN$Q!vsq)ie1&fq@Hbk`V*r|H=1_1cbCxkIFr)U=dT(zO1v{Q1QWqspnTLR2S)*@wH54O&*)h|C<1z%O_|",
    ),
    "1.2.840.10008.1.2.4.201": (
        12,
        r"c-s5#|38pH(}4j9IG`8?Q2C7fjEw&SfC5ZF4(I<M1|A@bk%5tg#ewmE3<JAD2N3*EVGw6v^e;%w^9t}#2um$eFwi"
        r"qH(=*olKY@V@Y)mKv<NwJA81&}+uh0LT|NH*8{NI!JnBTkfZ`=1{_9wS*slPq<h2NKZKN!AFcVaNy!Ek^<YXO63f"
        r"?JP-;ipwaOr;ENQie%S4mdHs*~akyCIFc3I`9",
    ),
    "1.2.840.10008.1.2.4.202": (
        12,
        r"c-s5#|38pH(}4j9IG`8?Q2C7fjEw&SfC5ZF4(I<M1|A@bk%5tg#ewmE3<JAD2N3*EVGw6v^e;%w^9t}#2um$eFwi"
        r"qH(=*olKY@V@Y)mKv<NwJA81&}+uh0LT|NH*8{NI!JnBTkfZ`=1{_9wS*slPq<h2NKZKN!AFcVaNy!Ek^<YXO63f"
        r"?JP-;ipwaOr;ENQie%S4mdHs*~akyCIFc3I`9",
    ),
    "1.2.840.10008.1.2.4.203": (
        12,
        r"c-s5#|38pH(}4j9IG`8?Q2C7fjEw&SfC5ZFj>`Wa1|A@bk%5tg#ev~}3<I}PL|BAWgjD+e|0xXO42=E-sd-)j9tv"
        r"TpMG6LbMrL}(djBUdaDk0-Vqp9~`2csxe0IAJ$?djZ&dIj#{k*VTrfC1)xZez4r%N0#+`({w^8u@azyr<S-l7Z+4"
        r";aEXoq5La|0Vz`bT2F",
    ),
    "1.2.840.10008.1.2.5": (
        12,
        r"c-o!CyAePD00hzV-SKZhpb&vTDFTHE1WFMoMW7UcfZ!^yGdnMo)PFDf7Yf2CPExQLHpdp&5?f(wY=gRS-j3_Rw%7"
        r"qXVOQ*qJ+b!-GY%#f",
    ),
}


def probe_frame(transfer_syntax_uid: str) -> ProbeFrame | None:
    """Return the known frame in this transfer syntax, or None where there is none to try."""
    entry = _ENCODED.get(transfer_syntax_uid)
    if entry is None:
        return None
    bits_stored, text = entry
    return ProbeFrame(bits_stored, zlib.decompress(base64.b85decode(text)))


def probe_value(row: int, column: int, bits_stored: int) -> int:
    """Return what the pixel at (row, column) must decode to."""
    return (row + column) * (((1 << bits_stored) - 1) // (2 * SIDE - 2))
