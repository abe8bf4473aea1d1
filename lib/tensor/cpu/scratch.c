/* Scratch memory of the CPU kernels; see scratch.h. */
#include "tensor/cpu/scratch.h"

#include <stdlib.h>

#include "base/base.h"

void *scratch(Scratch use, size_t bytes)
{
    static _Thread_local struct {
        void *memory;
        size_t bytes;
    } held[N_SCRATCH];
    if (held[use].bytes >= bytes)
        return held[use].memory;
    size_t want = (bytes + bytes / 4 + 4095) / 4096 * 4096;
    free(held[use].memory);
    held[use].memory = aligned_alloc(4096, want);
    held[use].bytes = want;
    if (!held[use].memory)
        die_status(STATUS_MEMORY, "out of memory: %zu bytes of scratch", want);
    return held[use].memory;
}
