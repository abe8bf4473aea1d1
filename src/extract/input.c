/* Bytes of a source: a file as it is, stdin and FIFOs through a temporary file, for a container must be sought in. */
#include "extract/input.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/signals.h"

static bool refuse(VideoReport *r, VideoVerdict verdict, const char *what)
{
    int saved = errno;
    r->verdict = verdict;
    snprintf(r->reason, sizeof r->reason, "%s%s%s", what, what[strlen(what) - 1] == ':' ? " " : "",
             what[strlen(what) - 1] == ':' ? strerror(saved) : "");
    return false;
}

static bool too_large(VideoReport *r, const char *what, int64_t found, int64_t most, const char *hint)
{
    r->verdict = VERDICT_TOO_LARGE;
    snprintf(r->reason, sizeof r->reason, "%s of %lld bytes, expected at most %lld%s", what, (long long)found, (long long)most,
             hint);
    return false;
}

/* Copies what comes from `from` until its end. Waiting ends at `until` and when the program is asked to end. */
static bool spool(Input *in, int from, double until, int64_t max_bytes, VideoReport *r)
{
    static const int wait_ms = 100;
    char *block = xmalloc(1 << 16);
    bool ok = true;
    while (ok) {
        if (interrupted())
            ok = refuse(r, VERDICT_CUT, "asked to end");
        else if (until > 0 && seconds_now() > until)
            ok = refuse(r, VERDICT_TIMED_OUT, "the time is up while waiting for its bytes");
        struct pollfd p = {from, POLLIN, 0};
        if (!ok || poll(&p, 1, wait_ms) <= 0)
            continue;
        ssize_t n = read(from, block, 1 << 16);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            ok = refuse(r, VERDICT_UNREADABLE, "read:");
        if (n == 0)
            break;
        if (n > 0 && !write_in_full(in->fd, block, (size_t)n))
            ok = refuse(r, VERDICT_UNREADABLE, "write a temporary file:");
        in->size += n > 0 ? n : 0;
        if (ok && in->size > max_bytes)
            ok = too_large(r, "a source", in->size, max_bytes, " (--max-bytes)");
    }
    free(block);
    return ok;
}

static bool open_opened(Input *in, const Source *s, double until, int64_t max_bytes, VideoReport *r)
{
    struct stat st;
    in->copied = s->spare >= 0;
    in->fd = in->copied ? s->spare : s->fd;
    if (in->copied)
        return spool(in, s->fd, until, max_bytes, r) &&
               (lseek(in->fd, 0, SEEK_SET) == 0 || refuse(r, VERDICT_UNREADABLE, "seek:"));
    if (fstat(s->fd, &st) != 0)
        return refuse(r, VERDICT_UNREADABLE, "stat:");
    in->size = st.st_size;
    return true;
}

bool input_open(Input *in, const Source *s, double until, int64_t max_bytes, VideoReport *r)
{
    *in = (Input){.fd = -1};
    if (s->problem)
        return refuse(r, VERDICT_UNREADABLE, s->problem);
    if (s->opened && !open_opened(in, s, until, max_bytes, r))
        return false;
    if (s->data) {
        in->data = s->data;
        in->size = (int64_t)s->size;
    }
    return in->size <= max_bytes || too_large(r, "a source", in->size, max_bytes, " (--max-bytes)");
}

bool input_head(const Input *in, uint8_t *out, size_t *n, VideoReport *r)
{
    if (in->fd >= 0) {
        ssize_t got = pread_in_full(in->fd, out, *n, 0);
        *n = got > 0 ? (size_t)got : 0;
        return got >= 0 || refuse(r, VERDICT_UNREADABLE, "read:");
    }
    *n = (int64_t)*n < in->size ? *n : (size_t)in->size;
    if (*n > 0)
        memcpy(out, in->data, *n);
    return true;
}

bool input_bytes(Input *in, VideoReport *r)
{
    if (in->size > IMAGE_MAX_BYTES)
        return too_large(r, "a still image", in->size, IMAGE_MAX_BYTES, "");
    if (in->fd < 0 || in->data)
        return true;
    in->owned = xmalloc((size_t)in->size + 1);
    ssize_t got = pread_in_full(in->fd, in->owned, (size_t)in->size, 0);
    if (got < 0)
        return refuse(r, VERDICT_UNREADABLE, "read:");
    in->size = got;
    in->data = in->owned;
    return true;
}

void input_close(Input *in)
{
    free(in->owned);
    *in = (Input){.fd = -1};
}
