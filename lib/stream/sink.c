/* Bytes out; see sink.h. */
#include "stream/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include <zstd.h>

#include "base/hash.h"
#include "base/progress.h"
#include "stream/seal.h"

enum {
    BUFFER_SIZE = 128 * 1024,
    LARGE = 8 * 1024, /* from here on a piece is written from where it lies */
};

struct Sink {
    int fd;
    bool failed, inside;   /* inside: between sink_begin and sink_end */
    unsigned char *buffer; /* owned: plain bytes not yet written */
    size_t used, hashed;   /* buffer[0..hashed) has gone into the digest */
    XXH3_state_t *hash;    /* owned: of the plain bytes */
    ZSTD_CCtx *zstd;       /* owned; NULL when plain */
    unsigned char *packed; /* owned: compressed bytes */
    size_t packed_size;
    XXH3_state_t *seal; /* owned: of the compressed bytes */
};

Sink *sink_new(int fd, int level)
{
    Sink *s = xcalloc(1, sizeof *s);
    s->fd = fd;
    s->buffer = xmalloc(BUFFER_SIZE);
    s->hash = XXH3_createState();
    XXH3_64bits_reset(s->hash);
    if (level > 0) {
        s->zstd = ZSTD_createCCtx();
        s->seal = XXH3_createState();
        s->packed_size = ZSTD_CStreamOutSize();
        s->packed = xmalloc(s->packed_size);
        if (!s->zstd)
            die_status(STATUS_MEMORY, "out of memory: zstd encoder");
        ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_compressionLevel, level);
        ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_checksumFlag, 1);
    }
#ifdef F_SETPIPE_SZ
    (void)fcntl(fd, F_SETPIPE_SZ, 1 << 20);
#endif
    return s;
}

void sink_free(Sink *s)
{
    if (!s)
        return;
    ZSTD_freeCCtx(s->zstd);
    XXH3_freeState(s->hash);
    XXH3_freeState(s->seal);
    free(s->packed);
    free(s->buffer);
    free(s);
}

static bool fail(Sink *s, Error *err)
{
    s->failed = true;
    return error_set(err, "write:");
}

/* Steps over `done` bytes of a list of pieces; returns how many pieces are finished. */
static int pieces_advance(struct iovec *v, int n, size_t done)
{
    int i = 0;
    while (i < n && done >= v[i].iov_len)
        done -= v[i++].iov_len;
    if (i < n) {
        v[i].iov_base = (char *)v[i].iov_base + done;
        v[i].iov_len -= done;
    }
    return i;
}

/* Writes all of it; waits where fd does not block by itself. */
static bool write_all(Sink *s, struct iovec *v, int n, Error *err)
{
    while (n > 0) {
        ProgressWait before = progress_wait(PROGRESS_OUTPUT);
        ssize_t done = writev(s->fd, v, n);
        progress_wait(before);
        if (done < 0 && errno == EAGAIN) {
            struct pollfd p = {.fd = s->fd, .events = POLLOUT};
            (void)poll(&p, 1, -1);
        } else if (done < 0 && errno != EINTR) {
            return fail(s, err);
        }
        int finished = pieces_advance(v, n, done > 0 ? (size_t)done : 0);
        v += finished;
        n -= finished;
    }
    return true;
}

static bool write_sealed(Sink *s, const void *data, size_t n, Error *err)
{
    struct iovec v = {(void *)data, n};
    if (n == 0) /* also before the first segment, whose beginning resets the seal */
        return true;
    XXH3_64bits_update(s->seal, data, n);
    return write_all(s, &v, 1, err);
}

static bool compress(Sink *s, const void *data, size_t n, ZSTD_EndDirective how, Error *err)
{
    ZSTD_inBuffer in = {data, n, 0};
    size_t left;
    do {
        ZSTD_outBuffer out = {s->packed, s->packed_size, 0};
        left = ZSTD_compressStream2(s->zstd, &out, &in, how);
        if (ZSTD_isError(left))
            bug("zstd: %s", ZSTD_getErrorName(left));
        if (!write_sealed(s, s->packed, out.pos, err))
            return false;
    } while (how == ZSTD_e_continue ? in.pos < in.size : left > 0);
    return true;
}

static void hash_buffer(Sink *s)
{
    XXH3_64bits_update(s->hash, s->buffer + s->hashed, s->used - s->hashed);
    s->hashed = s->used;
}

/* The buffer and then data go out. */
static bool push(Sink *s, const void *data, size_t n, Error *err)
{
    bool ok;
    hash_buffer(s);
    if (n > 0)
        XXH3_64bits_update(s->hash, data, n);
    if (s->zstd) {
        ok = compress(s, s->buffer, s->used, ZSTD_e_continue, err) && compress(s, data, n, ZSTD_e_continue, err);
    } else {
        struct iovec v[2] = {{s->buffer, s->used}, {(void *)data, n}};
        ok = write_all(s, v, 2, err);
    }
    s->used = s->hashed = 0;
    return ok;
}

bool sink_write(Sink *s, const void *data, size_t n, Error *err)
{
    if (s->failed)
        return false;
    if (n >= LARGE)
        return push(s, data, n, err);
    if (n > BUFFER_SIZE - s->used && !push(s, NULL, 0, err))
        return false;
    if (n > 0)
        memcpy(s->buffer + s->used, data, n);
    s->used += n;
    return true;
}

bool sink_flush(Sink *s, Error *err)
{
    if (s->failed)
        return false;
    /* Outside a segment a flush would begin a frame that nobody ends. */
    return push(s, NULL, 0, err) && (!s->zstd || !s->inside || compress(s, NULL, 0, ZSTD_e_flush, err));
}

bool sink_begin(Sink *s, Error *err)
{
    hash_buffer(s);
    XXH3_64bits_reset(s->hash);
    s->inside = true;
    if (s->failed || !s->zstd)
        return !s->failed;
    XXH3_64bits_reset(s->seal);
    return write_sealed(s, seal_open, SEAL_OPEN_SIZE, err);
}

uint64_t sink_digest(Sink *s)
{
    hash_buffer(s);
    return XXH3_64bits_digest(s->hash);
}

bool sink_end(Sink *s, Error *err)
{
    s->inside = false;
    if (!s->zstd)
        return sink_flush(s, err);
    if (s->failed || !push(s, NULL, 0, err) || !compress(s, NULL, 0, ZSTD_e_end, err) ||
        !write_sealed(s, seal_close, SEAL_HEAD, err))
        return false;
    return write_sealed(s, digest_text(XXH3_64bits_digest(s->seal)).text, 16, err);
}
