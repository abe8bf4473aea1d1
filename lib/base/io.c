/* Loops around write, pwrite and pread; see io.h. */
#include "base/io.h"

#include <errno.h>
#include <unistd.h>

/* What a call that transferred `n` of the bytes left adds to `done`; false where it failed for good. */
static bool advance(size_t *done, ssize_t n)
{
    if (n < 0)
        return errno == EINTR;
    if (n == 0)
        errno = EIO; /* a write that takes nothing would be tried for ever */
    *done += (size_t)n;
    return n > 0;
}

bool write_in_full(int fd, const void *data, size_t n)
{
    size_t done = 0;
    while (done < n)
        if (!advance(&done, write(fd, (const char *)data + done, n - done)))
            return false;
    return true;
}

bool pwrite_in_full(int fd, const void *data, size_t n, int64_t at)
{
    size_t done = 0;
    while (done < n)
        if (!advance(&done, pwrite(fd, (const char *)data + done, n - done, (off_t)at + (off_t)done)))
            return false;
    return true;
}

ssize_t pread_in_full(int fd, void *data, size_t n, int64_t at)
{
    size_t done = 0;
    while (done < n) {
        ssize_t got = pread(fd, (char *)data + done, n - done, (off_t)at + (off_t)done);
        if (got < 0 && errno != EINTR)
            return -1;
        if (got == 0)
            break;
        done += got > 0 ? (size_t)got : 0;
    }
    return (ssize_t)done;
}
