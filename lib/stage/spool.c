/* Numbered blobs in memory, then on disk; see spool.h. */
#include "stage/spool.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"

void spool_init(Spool *s, const char *folder, size_t memory_limit)
{
    *s = (Spool){.folder = folder, .fd = -1, .limit = memory_limit};
}

void spool_release(Spool *s)
{
    if (s->fd >= 0)
        close(s->fd);
    free(s->memory);
    free(s->blobs);
    free(s->buffer);
    *s = (Spool){.fd = -1};
}

void spool_reset(Spool *s)
{
    s->n = 0;
    s->used = 0;
    s->written = 0;
}

/* The file has no name from the start: a killed run leaves nothing behind. */
static bool spool_open(Spool *s, Error *err)
{
    s->fd = open(s->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (s->fd >= 0)
        return true;
    char *path = path_join(s->folder, "spool-XXXXXX"); /* where the file system has files with names alone */
    s->fd = mkostemp(path, O_CLOEXEC);
    if (s->fd < 0)
        error_set(err, "create %s:", path);
    else
        unlink(path);
    free(path);
    return s->fd >= 0;
}

bool spool_add(Spool *s, const void *data, size_t size, Error *err)
{
    s->blobs = array_reserve(s->blobs, &s->blob_capacity, s->n + 1, sizeof *s->blobs);
    if (s->used + size <= s->limit) {
        s->memory = array_reserve(s->memory, &s->capacity, s->used + size, 1);
        if (size > 0)
            memcpy(s->memory + s->used, data, size);
        s->blobs[s->n].offset = s->used;
        s->blobs[s->n].on_disk = false;
        s->used += size;
    } else {
        if (s->fd < 0 && !spool_open(s, err))
            return false;
        if (!pwrite_in_full(s->fd, data, size, (int64_t)s->written))
            return error_set(err, "write %zu bytes of batch to a temporary file in %s:", size, s->folder);
        s->blobs[s->n].offset = s->written;
        s->blobs[s->n].on_disk = true;
        s->written += size;
    }
    s->blobs[s->n++].size = size;
    return true;
}

const void *spool_get(Spool *s, size_t i, size_t *size, Error *err)
{
    *size = s->blobs[i].size;
    if (!s->blobs[i].on_disk)
        return s->memory + s->blobs[i].offset;
    if (*size > s->buffer_size) {
        s->buffer = xrealloc(s->buffer, *size, 1);
        s->buffer_size = *size;
    }
    if (pread_in_full(s->fd, s->buffer, *size, (int64_t)s->blobs[i].offset) == (ssize_t)*size)
        return s->buffer;
    error_set(err, "read %zu bytes of batch from a temporary file in %s:", *size, s->folder);
    return NULL;
}
