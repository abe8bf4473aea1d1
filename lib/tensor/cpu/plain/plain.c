/* The plain table whole; see plain.h. */
#include "tensor/cpu/plain/plain.h"

void plain_fill(Kernels *k, Compute compute)
{
    k->compute = compute;
    plain_memory_fill(k);
    plain_matmul_fill(k, compute);
    plain_norm_fill(k);
    plain_elementwise_fill(k);
    plain_gated_fill(k);
    plain_attention_fill(k);
    plain_rows_fill(k);
    plain_logits_fill(k);
    plain_optimizer_fill(k);
    plain_integers_fill(k);
}
