/* The AMX products with emulated tiles; for tests only. */
#include "tensor/cpu/vec/variants.h"

#include "tensor/cpu/vec/vec_avx512.h"
#include "tensor/cpu/vec/tiles_emulated.h"
#include "tensor/cpu/vec/matmul_tiles.h"
