/*
 * Any bytes as the pickle of a state dict: an error or a list of tensors, never a crash, and nothing is called.
 *
 * About: lib/checkpoint/pickle.c
 */
#include <stdint.h>
#include <stdlib.h>

#include "checkpoint/pickle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena arena = {0};
    PickledTensor *tensors;
    size_t n;
    Error err = {0};
    if (pickle_read(data, size, &arena, &tensors, &n, &err)) {
        for (size_t i = 0; i < n; i++)
            if (!tensors[i].name || !tensors[i].dtype || !tensors[i].storage || tensors[i].shape.ndim > SHAPE_MAX)
                abort();
    } else if (!err.text[0])
        abort();
    arena_release(&arena);
    return 0;
}
