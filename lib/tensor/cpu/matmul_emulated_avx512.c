/* The AMX products with emulated tiles; for tests only. */
#include "tensor/cpu/variants.h"

#ifndef VLRM_DOUBLE

#include "tensor/cpu/vec_avx512.h"
#include "tensor/cpu/tiles_emulated.h"
#include "tensor/cpu/matmul_tiles.h"

#endif
