/*
 * Any text as a Karpathy file: images below the root, or a problem that says why; never one that leads out.
 *
 * About: src/extract/coco.c lib/base/json_elements.c
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "extract/coco.h"
#include "tests/fuzz/given.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const Source *s)
{
    if (!s->name || !s->label || (!s->problem && !s->path))
        abort();
    if (s->path && (strncmp(s->path, "/root/", 6) != 0 || strstr(s->path, "/../")))
        abort();
    for (size_t i = 0; i < s->n_references; i++)
        if (!s->references[i])
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *splits[] = {"test", "val"};
    int fd = given_file(data, size);
    char path[64];
    const SourceSettings s = {.coco = given_path(path, fd), .root = "/root", .split = {splits, size % 3}};
    Source image;
    Coco *c = coco_new(&s);
    while (coco_next(c, &image)) {
        check(&image);
        source_release(&image);
    }
    coco_free(c);
    close(fd);
    return 0;
}
