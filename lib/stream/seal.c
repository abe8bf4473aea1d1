/* The fixed bytes of seals; see seal.h. */
#include "stream/seal.h"

const unsigned char seal_open[SEAL_OPEN_SIZE] = {0x56, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 'v', 'l', 'r', 'm'};
const unsigned char seal_close[SEAL_HEAD] = {0x57, 0x2a, 0x4d, 0x18, 20, 0, 0, 0, 'v', 'l', 'r', 'm'};
