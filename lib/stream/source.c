/* Bytes of a stream; see source.h. */
#include "stream/source.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "base/signals.h"

enum { CHUNK = 1 << 20, POLL_MILLISECONDS = 100 };

struct Source {
    int fd;
    bool owns, ended, known, compressed;
    char *data; /* owned: bytes [at, end) are not yet consumed */
    size_t at, end, capacity;
    ZSTD_DCtx *zstd; /* owned; NULL until the magic is seen */
    char *packed;    /* owned: compressed bytes [packed_at, packed_end) wait */
    size_t packed_at, packed_end;
    size_t frame_rest; /* 0: between two zstd frames */
};

Source *source_new(int fd, bool owns)
{
    Source *s = xcalloc(1, sizeof *s);
    s->fd = fd;
    s->owns = owns;
    return s;
}

void source_free(Source *s)
{
    if (!s)
        return;
    if (s->owns)
        close(s->fd);
    ZSTD_freeDCtx(s->zstd);
    free(s->packed);
    free(s->data);
    free(s);
}

const char *source_data(const Source *s, size_t *size)
{
    *size = s->end - s->at;
    return s->data + s->at;
}

void source_consume(Source *s, size_t size)
{
    s->at += size;
}

/* Room for a chunk behind the data: moves what is left to the front, or grows when that is more than half. */
static void make_room(Source *s)
{
    if (s->at == s->end)
        s->at = s->end = 0;
    if (s->capacity - s->end >= CHUNK)
        return;
    size_t left = s->end - s->at;
    if (left + CHUNK > s->capacity) {
        s->capacity = 2 * left + CHUNK;
        char *grown = xmalloc(s->capacity);
        if (left > 0)
            memcpy(grown, s->data + s->at, left);
        free(s->data);
        s->data = grown;
    } else {
        memmove(s->data, s->data + s->at, left);
    }
    s->at = 0;
    s->end = left;
}

/* read(), but a signal that asks to end is noticed within a moment. Returns -2 then. */
static ssize_t read_some(const Source *s, void *out, size_t size, bool stop)
{
    while (true) {
        struct pollfd p = {.fd = s->fd, .events = POLLIN};
        if (stop && interrupted())
            return -2;
        if (stop && poll(&p, 1, POLL_MILLISECONDS) == 0)
            continue;
        ssize_t n = read(s->fd, out, size);
        if (n >= 0 || errno != EINTR)
            return n;
    }
}

/* Decompresses waiting bytes into the buffer; whether that gave any. */
static bool unpack(Source *s, Error *err)
{
    make_room(s);
    size_t before = s->end;
    while (s->end == before && s->packed_at < s->packed_end) {
        ZSTD_inBuffer in = {s->packed, s->packed_end, s->packed_at};
        ZSTD_outBuffer out = {s->data + s->end, s->capacity - s->end, 0};
        size_t rest = ZSTD_decompressStream(s->zstd, &out, &in);
        if (ZSTD_isError(rest)) {
            error_set_status(err, STATUS_CORRUPT, "corrupt zstd data: %s", ZSTD_getErrorName(rest));
            return false;
        }
        s->frame_rest = rest;
        s->packed_at = in.pos;
        s->end += out.pos;
    }
    return s->end > before;
}

/* The first four bytes decide: zstd's magic (RFC 8878), or the stream itself. */
static void recognise(Source *s)
{
    static const unsigned char magic[4] = {0x28, 0xB5, 0x2F, 0xFD};
    s->known = s->end - s->at >= 4 || s->ended;
    if (!s->known || s->end - s->at < 4 || memcmp(s->data + s->at, magic, 4) != 0)
        return;
    s->compressed = true;
    s->zstd = ZSTD_createDCtx();
    if (!s->zstd)
        die_status(STATUS_MEMORY, "out of memory: a zstd context");
    s->packed = xmalloc(CHUNK);
    s->packed_end = s->end - s->at;
    memcpy(s->packed, s->data + s->at, s->packed_end);
    s->at = s->end = 0;
}

static SourceResult more_packed(Source *s, bool stop, Error *err)
{
    while (!unpack(s, err)) {
        if (err->text[0])
            return SOURCE_ERROR;
        ssize_t n = read_some(s, s->packed, CHUNK, stop);
        if (n == -2)
            return SOURCE_CUT;
        if (n < 0) {
            error_set(err, "read:");
            return SOURCE_ERROR;
        }
        if (n == 0 && s->frame_rest != 0) {
            error_set_status(err, STATUS_CORRUPT, "truncated: zstd data end in the middle of a frame");
            return SOURCE_ERROR;
        }
        if (n == 0)
            return SOURCE_END;
        s->packed_at = 0;
        s->packed_end = (size_t)n;
    }
    return SOURCE_MORE;
}

SourceResult source_more(Source *s, bool stop, Error *err)
{
    if (s->compressed)
        return more_packed(s, stop, err);
    if (s->ended)
        return SOURCE_END;
    do {
        make_room(s);
        ssize_t n = read_some(s, s->data + s->end, s->capacity - s->end, stop);
        if (n == -2)
            return SOURCE_CUT;
        if (n < 0) {
            error_set(err, "read:");
            return SOURCE_ERROR;
        }
        s->ended = n == 0;
        s->end += (size_t)n;
        if (!s->known)
            recognise(s);
    } while (!s->known);
    if (s->compressed)
        return more_packed(s, stop, err);
    return s->ended ? SOURCE_END : SOURCE_MORE;
}

bool source_would_block(const Source *s)
{
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    return !s->ended && s->packed_at == s->packed_end && poll(&p, 1, 0) == 0;
}
