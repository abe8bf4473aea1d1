/*
 * The CPU tables above the plain one. Each function overrides, in a table that already holds the next lower variant, the slots
 * that its instructions do better; t->compute (F32 or BF16, never AUTO) is set by the caller and chooses the products. They exist
 * in the float build only: the double build checks gradients, with the plain table, and links cpu/absent/ in place of this
 * folder.
 */
#ifndef TENSOR_CPU_VEC_VARIANTS_H
#define TENSOR_CPU_VEC_VARIANTS_H

#include "tensor/kernels.h"

/* A way to fill the table. Each starts from the one before it in the list and replaces the slots that it does better. */
typedef struct Variant {
    const char *name;
    void (*fill)(Kernels *t);   /* t->compute is set; NULL for plain */
    const char *(*lacks)(void); /* what the processor lacks for it; NULL when it has all */
    bool native_bf16;           /* multiplies bf16 itself: what COMPUTE_AUTO takes */
} Variant;

/* All variants of this build, from the least, which is plain, to the best. */
const Variant *variants_all(size_t *n);

/* For tests alone: AMX's loops over emulated tiles, where the processor has AVX-512. Writes at most max tables; how many. */
size_t variants_emulated(const Kernels **tables, size_t max);

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
