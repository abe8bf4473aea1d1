/*
 * The CPU tables above the plain one. Each function overrides, in a table that already holds the next lower variant, the slots
 * that its instructions do better; t->compute (F32 or BF16, never AUTO) is set by the caller and chooses the products. They exist
 * in the float build only: the double build checks gradients, with the plain table.
 */
#ifndef TENSOR_CPU_VARIANTS_H
#define TENSOR_CPU_VARIANTS_H

#include "tensor/kernels.h"

void kernels_avx2(Kernels *t);
void kernels_avx512(Kernels *t);
void kernels_avx512bf16(Kernels *t);
void kernels_amx(Kernels *t);

/* Whether the operating system lets this process use the AMX tiles; asks for them. */
bool amx_permitted(void);

/* The AMX table's products with the tiles emulated in C, over an AVX-512 table; for tests on processors without AMX. */
void kernels_amx_emulated(Kernels *t);

/* Parts of the above, one per file: the products, and the rest. */
void products_avx2(Kernels *t);
void products_avx512(Kernels *t);
void elementwise_avx2(Kernels *t);
void elementwise_avx512(Kernels *t);
void rows_avx2(Kernels *t);
void rows_avx512(Kernels *t);
void attention_avx2(Kernels *t);
void attention_avx512(Kernels *t);

#endif
