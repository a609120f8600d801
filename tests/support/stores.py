"""A packed store of version 1, a file, as slr wrote it then."""

from base64 import b85decode
from zlib import decompress

# Clips `a` of float32, `folder/b ä` of float16, and `c` with a layout and one block of differences left out.
_STORE = (
    "c-kw@DJn=z&Sqd_fB<GF?En?vh4Mw9^o^A}z7{r#-"
    "}aMP6Q#=UH;sWRpurwwB@hAefqDjp1t1!T9{@3fBLjl~5Gw$&fg={pHb9+D40Q~yw6h<NPAGjjNhEk@^p#U4*-"
    "hspqgem3z{B$Ye+GsVjtxve(-<-"
    "JAAr#umN8cAbTha0Ft%~*{pZUB)z1jlj|V`_6mVMbJWE37ti%(KzW2R%jx)pTXJjBoI|B~`YJ3w5%<Yp?&a&%BJN%eu8J*^&e<1s"
    "p-qBgpgNfD8gys%XL1J2dPD*N#ev-oBCCOyykFHkAOUzAGvQkjW&df_qE>WtDB}G2~OqEVp"
)

VERSION_1 = decompress(b85decode(_STORE))
