/* Bytes of a source: a file as it is, stdin and FIFOs through an unnamed temporary file, for a container must be sought in. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/progress.h"
#include "base/signals.h"
#include "extract/extract.h"

static bool refuse(VideoReport *r, VideoVerdict verdict, const char *what)
{
    int saved = errno;
    r->verdict = verdict;
    snprintf(r->reason, sizeof r->reason, "%s%s%s", what, what[strlen(what) - 1] == ':' ? " " : "",
             what[strlen(what) - 1] == ':' ? strerror(saved) : "");
    return false;
}

static int temporary(void)
{
    const char *folder = getenv("TMPDIR");
    if (!folder || !*folder)
        folder = "/tmp";
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    char *name = path_join(folder, "vlrm-extract-XXXXXX");
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0)
        unlink(name);
    free(name);
    return fd;
}

static bool write_whole(int fd, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t put = write(fd, data, n);
        if (put < 0)
            return false;
        data += put;
        n -= (size_t)put;
    }
    return true;
}

/* Copies what comes from `from` until its end. Waiting ends at `until` and when the program is asked to end. */
static bool spool(Input *in, int from, double until, VideoReport *r)
{
    static const int wait_ms = 100;
    char *block = xmalloc(1 << 16);
    in->fd = temporary();
    bool ok = in->fd >= 0 || refuse(r, VERDICT_UNREADABLE, "create a temporary file:");
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
        if (n > 0 && !write_whole(in->fd, block, (size_t)n))
            ok = refuse(r, VERDICT_UNREADABLE, "write a temporary file:");
        in->size += n > 0 ? n : 0;
    }
    free(block);
    return ok;
}

static bool open_path(Input *in, const char *path, double until, VideoReport *r)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0) {
        refuse(r, VERDICT_UNREADABLE, "open:");
        if (fd >= 0)
            close(fd);
        return false;
    }
    if (S_ISREG(st.st_mode)) {
        in->fd = fd;
        in->size = st.st_size;
        return true;
    }
    bool ok = S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode) ? spool(in, fd, until, r)
                                                          : refuse(r, VERDICT_UNREADABLE, "neither a file nor a FIFO");
    close(fd);
    return ok;
}

bool input_open(Input *in, const Source *s, double until, VideoReport *r)
{
    *in = (Input){.fd = -1};
    if (s->problem)
        return refuse(r, VERDICT_UNREADABLE, s->problem);
    if (s->data) {
        in->data = s->data;
        in->size = (int64_t)s->size;
        return true;
    }
    return s->is_stdin ? spool(in, STDIN_FILENO, until, r) : open_path(in, s->path, until, r);
}

size_t input_head(const Input *in, uint8_t *out, size_t n)
{
    if (in->fd >= 0) {
        ssize_t got = pread(in->fd, out, n, 0);
        return got > 0 ? (size_t)got : 0;
    }
    n = (int64_t)n < in->size ? n : (size_t)in->size;
    if (n > 0)
        memcpy(out, in->data, n);
    return n;
}

bool input_bytes(Input *in, const char *name, VideoReport *r)
{
    (void)name;
    if (in->fd < 0 || in->data)
        return true;
    in->owned = xmalloc((size_t)in->size + 1);
    int64_t have = 0;
    while (have < in->size) {
        ssize_t n = pread(in->fd, in->owned + have, (size_t)(in->size - have), have);
        if (n < 0)
            return refuse(r, VERDICT_UNREADABLE, "read:");
        if (n == 0)
            break;
        have += n;
    }
    in->size = have;
    in->data = in->owned;
    return true;
}

void input_close(Input *in)
{
    if (in->fd >= 0)
        close(in->fd);
    free(in->owned);
    *in = (Input){.fd = -1};
}
