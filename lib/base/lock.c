/* flock, and who holds one; see lock.h. */
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* The process that holds the lock on a file; 0 where the kernel does not tell. /proc/locks: "1: FLOCK ADVISORY WRITE PID
 * MAJOR:MINOR:INODE 0 EOF". */
static int holder_of(const struct stat *st)
{
    FILE *locks = fopen("/proc/locks", "re");
    char line[256];
    int found = 0, pid;
    unsigned major, minor;
    unsigned long long inode;
    while (locks && found == 0 && fgets(line, sizeof line, locks))
        if (sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%llu", &pid, &major, &minor, &inode) == 4 && inode == st->st_ino &&
            makedev(major, minor) == st->st_dev)
            found = pid;
    if (locks)
        fclose(locks);
    return found > 0 ? found : 0;
}

static bool is_held(int fd, const char *path, Error *err)
{
    struct stat st;
    int pid = fstat(fd, &st) == 0 ? holder_of(&st) : 0;
    if (pid > 0)
        return error_set(err, "%s: process %d works on it", path, pid);
    return error_set(err, "%s: another process works on it", path);
}

bool lock_take(int fd, const char *path, Error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return error_set(err, "look at %s:", path);
    if (!S_ISREG(st.st_mode) || flock(fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (errno == EWOULDBLOCK)
        return is_held(fd, path, err);
    note("%s cannot be locked (%s): see to it that nothing else works on it", path, strerror(errno));
    return true;
}

int lock_open(const char *path, Error *err)
{
    for (;;) {
        struct stat opened, named;
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        if (fd < 0) {
            error_set(err, "open %s:", path);
            return -1;
        }
        if (!lock_take(fd, path, err)) {
            close(fd);
            return -1;
        }
        if (fstat(fd, &opened) == 0 && stat(path, &named) == 0 && opened.st_ino == named.st_ino && opened.st_dev == named.st_dev)
            return fd;
        close(fd);
    }
}
