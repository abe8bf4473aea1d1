/* Any bytes as a checkpoint: an error or tensors that lie within the file, never a crash. Built with libFuzzer (make fuzz). */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "checkpoint/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", 0);
    char path[64];
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    Error err = {0};
    Checkpoint *c = checkpoint_open(path, &err);
    if (c)
        checkpoint_digest(c, NULL, 0); /* touches every byte of every tensor */
    else if (!err.text[0])
        abort();
    checkpoint_free(c);
    close(fd);
    return 0;
}
