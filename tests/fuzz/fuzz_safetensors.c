/*
 * Any bytes as a checkpoint: an error or tensors that lie within the file, never a crash. Built with libFuzzer (make fuzz).
 *
 * About: lib/checkpoint/safetensors.c lib/checkpoint/digest.c lib/checkpoint/stored.c
 */
#include <stdlib.h>
#include <unistd.h>

#include "checkpoint/checkpoint.h"
#include "tests/fuzz/given.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = given_file(data, size);
    char path[64];
    Error err = {0};
    Checkpoint *c = checkpoint_open(given_path(path, fd), &err);
    if (c)
        checkpoint_digest(c, NULL, 0); /* touches every byte of every tensor */
    else if (!err.text[0])
        abort();
    checkpoint_free(c);
    close(fd);
    return 0;
}
