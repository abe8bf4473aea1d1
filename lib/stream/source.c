/* Bytes in: plain or zstd, by the magic; see source.h. */
#include "stream/source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#include "base/hash.h"
#include "base/progress.h"
#include "base/signals.h"
#include "stream/seal.h"

typedef enum Mode {
    SNIFF, /* at the beginning, or after a zstd frame: what follows? */
    PLAIN,
    FRAME, /* inside a zstd frame */
} Mode;

struct Source {
    int fd; /* owned */
    Mode mode;
    bool eof;
    bool sealed;       /* inside what an opening seal announced: a closing seal must come */
    unsigned char *in; /* owned: compressed bytes, or those read to see the magic */
    size_t begin, end, capacity;
    ZSTD_DCtx *zstd;    /* owned; made when first needed */
    XXH3_state_t *hash; /* owned: of the compressed bytes since the opening seal */
};

enum { IN_SIZE = 256 * 1024 };

Source *source_new(int fd)
{
    Source *s = xcalloc(1, sizeof *s);
    s->fd = fd;
    s->capacity = IN_SIZE;
    s->in = xmalloc(s->capacity);
#ifdef F_SETPIPE_SZ
    /* Fewer, larger reads where fd is a pipe; where it is none, or the system says no, nothing is lost. */
    (void)fcntl(fd, F_SETPIPE_SZ, 1 << 20);
#endif
    return s;
}

void source_free(Source *s)
{
    if (!s)
        return;
    if (s->fd > STDERR_FILENO)
        close(s->fd);
    ZSTD_freeDCtx(s->zstd);
    XXH3_freeState(s->hash);
    free(s->in);
    free(s);
}

/* Waits until fd can be read. The signal may come just before poll: hence the short rounds. */
static SourceStatus wait_readable(int fd, Wait wait)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (wait == WAIT_BLOCK)
        return SOURCE_DATA;
    while (wait == WAIT_NEVER || !interrupted()) {
        int ready = poll(&p, 1, wait == WAIT_NEVER ? 0 : 200);
        if (ready > 0 || (ready < 0 && errno != EINTR))
            return SOURCE_DATA; /* an error will be seen by read */
        if (wait == WAIT_NEVER)
            break;
    }
    return SOURCE_WAITING;
}

static SourceStatus read_some(Source *s, void *data, size_t capacity, size_t *n, Wait wait, Error *err)
{
    while (!s->eof) {
        ProgressWait before = progress_wait(wait == WAIT_NEVER ? PROGRESS_WORKS : PROGRESS_INPUT);
        bool waiting = wait_readable(s->fd, wait) == SOURCE_WAITING;
        ssize_t got = waiting ? -1 : read(s->fd, data, capacity);
        progress_wait(before);
        if (waiting)
            return SOURCE_WAITING;
        if (got > 0) {
            *n = (size_t)got;
            progress_bytes(*n);
            return SOURCE_DATA;
        }
        if (got < 0 && errno != EINTR) {
            error_set(err, "read:");
            return SOURCE_FAILED;
        }
        s->eof = got == 0;
    }
    return SOURCE_EOF;
}

/* At least `need` bytes in s->in, or all there are (EOF). */
static SourceStatus gather(Source *s, size_t need, Wait wait, Error *err)
{
    while (s->end - s->begin < need) {
        if (s->begin > 0) {
            memmove(s->in, s->in + s->begin, s->end - s->begin);
            s->end -= s->begin;
            s->begin = 0;
        }
        size_t n = 0;
        SourceStatus status = read_some(s, s->in + s->end, s->capacity - s->end, &n, wait, err);
        if (status != SOURCE_DATA)
            return status;
        s->end += n;
    }
    return SOURCE_DATA;
}

static SourceStatus corrupt(Error *err, const char *what)
{
    error_set_status(err, STATUS_CORRUPT, "zstd: %s", what);
    return SOURCE_FAILED;
}

static void consume(Source *s, size_t n)
{
    if (s->sealed)
        XXH3_64bits_update(s->hash, s->in + s->begin, n);
    s->begin += n;
}

static SourceStatus open_seal(Source *s, Error *err)
{
    if (s->sealed)
        return corrupt(err, "an opening seal inside a sealed segment");
    if (!s->hash)
        s->hash = XXH3_createState();
    XXH3_64bits_reset(s->hash);
    s->sealed = true;
    consume(s, SEAL_OPEN_SIZE);
    return SOURCE_DATA;
}

static SourceStatus close_seal(Source *s, Error *err)
{
    if (!s->sealed)
        return corrupt(err, "a closing seal without an opening one");
    consume(s, SEAL_HEAD);
    if (memcmp(digest_text(XXH3_64bits_digest(s->hash)).text, s->in + s->begin, 16) != 0)
        return corrupt(err, "the compressed bytes do not have the digest that their seal says");
    s->sealed = false;
    consume(s, 16);
    return SOURCE_DATA;
}

static SourceStatus begin_frame(Source *s, Error *err)
{
    /* The specification lets a decoder ignore this bit; we do not let a flipped one pass. */
    if (s->end - s->begin > 4 && s->in[s->begin + 4] & 0x10)
        return corrupt(err, "the unused bit of the frame header is set");
    if (!s->zstd)
        s->zstd = ZSTD_createDCtx();
    if (!s->zstd)
        die_status(STATUS_MEMORY, "out of memory: zstd decoder");
    ZSTD_DCtx_reset(s->zstd, ZSTD_reset_session_only);
    s->mode = FRAME;
    return SOURCE_DATA;
}

/* Looks at the next bytes: a seal, a zstd frame, or plain. DATA: mode may have changed. EOF: nothing more. */
static SourceStatus sniff(Source *s, Wait wait, Error *err)
{
    SourceStatus status = gather(s, SEAL_CLOSE_SIZE, wait, err);
    if (status == SOURCE_FAILED)
        return status;
    size_t n = s->end - s->begin;
    const unsigned char *p = s->in + s->begin;
    bool zstd = n >= 4 && memcmp(p, "\x28\xb5\x2f\xfd", 4) == 0;
    bool open = n >= SEAL_OPEN_SIZE && memcmp(p, seal_open, SEAL_OPEN_SIZE) == 0;
    /* What may still become a seal waits; plain bytes and frames need not (an upstream may be slow). */
    if (status == SOURCE_WAITING && (n < 5 || (!zstd && p[0] >> 4 == 5 && !open)))
        return status;
    if (n == 0)
        return s->sealed ? corrupt(err, "ends before its closing seal") : SOURCE_EOF;
    if (open)
        return open_seal(s, err);
    if (n >= SEAL_CLOSE_SIZE && memcmp(p, seal_close, SEAL_HEAD) == 0)
        return close_seal(s, err);
    if (zstd)
        return begin_frame(s, err);
    if (s->sealed)
        return corrupt(err, "neither a frame nor a closing seal in a sealed segment");
    s->mode = PLAIN;
    return SOURCE_DATA;
}

static SourceStatus read_plain(Source *s, void *data, size_t capacity, size_t *n, Wait wait, Error *err)
{
    size_t have = s->end - s->begin;
    if (have == 0)
        return read_some(s, data, capacity, n, wait, err);
    *n = have < capacity ? have : capacity;
    memcpy(data, s->in + s->begin, *n);
    s->begin += *n;
    return SOURCE_DATA;
}

/* DATA with *n == 0: the frame ended, mode is SNIFF again. */
static SourceStatus read_frame(Source *s, void *data, size_t capacity, size_t *n, Wait wait, Error *err)
{
    ZSTD_outBuffer out = {data, capacity, 0};
    while (out.pos == 0 && s->mode == FRAME) {
        /* First without new input: the decoder may hold output back that did not fit before. */
        ZSTD_inBuffer in = {s->in + s->begin, s->end - s->begin, 0};
        size_t left = ZSTD_decompressStream(s->zstd, &out, &in);
        if (ZSTD_isError(left))
            return corrupt(err, ZSTD_getErrorName(left));
        consume(s, in.pos);
        if (left == 0)
            s->mode = SNIFF;
        if (out.pos > 0 || left == 0 || in.pos > 0)
            continue;
        SourceStatus status = gather(s, s->end - s->begin + 1, wait, err);
        if (status == SOURCE_EOF)
            return corrupt(err, "the frame is cut short");
        if (status != SOURCE_DATA)
            return status;
    }
    *n = out.pos;
    return SOURCE_DATA;
}

SourceStatus source_read(Source *s, void *data, size_t capacity, size_t *n, Wait wait, Error *err)
{
    *n = 0;
    SourceStatus status = SOURCE_DATA;
    while (*n == 0 && status == SOURCE_DATA) {
        if (s->mode == SNIFF)
            status = sniff(s, wait, err);
        else if (s->mode == PLAIN)
            status = read_plain(s, data, capacity, n, wait, err);
        else
            status = read_frame(s, data, capacity, n, wait, err);
    }
    return status;
}

bool source_return(Source *s, const void *data, size_t n)
{
    if (s->mode != PLAIN || n == 0)
        return false;
    size_t have = s->end - s->begin;
    if (have > 0)
        memmove(s->in, s->in + s->begin, have);
    /* What was given out may be more than fits beside what is still here. */
    s->in = array_reserve(s->in, &s->capacity, have + n, 1);
    memmove(s->in + n, s->in, have);
    memcpy(s->in, data, n);
    s->begin = 0;
    s->end = have + n;
    s->mode = SNIFF;
    return true;
}
