/*
 * Any bytes as a checkpoint: a whole file of torch.save, or an index and the files of safetensors or torch.save that it lists
 * (given.h). An error, or tensors whose every byte can be read and converted.
 *
 * About: lib/checkpoint/checkpoint.c lib/checkpoint/torch.c lib/checkpoint/zip.c lib/checkpoint/pickle.c lib/checkpoint/stored.c
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint/checkpoint.h"
#include "tests/fuzz/given.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const Checkpoint *c)
{
    real values[64];
    for (size_t i = 0; i < checkpoint_count(c); i++) {
        const StoredTensor *t = checkpoint_get(c, i);
        size_t n = shape_size(&t->shape);
        if (checkpoint_find(c, t->name) != t || !checkpoint_file(c, t))
            abort();
        if (t->real_valued)
            stored_read(t, n > 64 ? n - 64 : 0, n > 64 ? 64 : n, DTYPE_REAL, values);
    }
    checkpoint_metadata(c, "format");
    checkpoint_digest(c, NULL, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static GivenFolder folder = {.names = {"model.safetensors.index.json", "a.safetensors", "b.safetensors", "model.safetensors",
                                           "pytorch_model.bin.index.json", "a.bin", "b.bin", "pytorch_model.bin"}};
    bool several = size > 4 && memcmp(data, "====", 4) == 0;
    int fd = given_file(data, size);
    char path[64];
    Error err = {0};
    Checkpoint *c = checkpoint_open(several ? given_folder(&folder, data, size) : given_path(path, fd), &err);
    if (c)
        look(c);
    else if (!err.text[0])
        abort();
    checkpoint_free(c);
    close(fd);
    return 0;
}
