/* Files mapped for reading, and what to do when one is cut short under us; see mapped.h. */
#include "base/mapped.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

/* A place in the list, kept for another mapping once it is free: the handler of a signal may be looking at it. */
typedef struct Mapped {
    struct Mapped *next;
    char *path;            /* owned; of the last mapping here */
    atomic_uintptr_t from; /* 0: free */
    atomic_size_t size;
} Mapped;

static _Atomic(Mapped *) all;
static pthread_mutex_t changing = PTHREAD_MUTEX_INITIALIZER;

static void say(const char *text)
{
    ssize_t n = write(STDERR_FILENO, text, strlen(text));
    (void)n; /* nobody is left to be told */
}

/* Only what a handler may call: see signal-safety(7). */
static void on_bus_error(int signal, siginfo_t *info, void *context)
{
    const uintptr_t at = (uintptr_t)info->si_addr;
    (void)context;
    for (const Mapped *m = info->si_code > 0 ? atomic_load(&all) : NULL; m; m = m->next) { /* 0 and below: somebody sent it */
        uintptr_t from = atomic_load(&m->from);
        if (from == 0 || at < from || at - from >= atomic_load(&m->size))
            continue;
        say(progname);
        say(": ");
        say(m->path);
        say(": was cut short while it was in use, or can no longer be read; start again once it is whole\n");
        _exit(STATUS_CORRUPT);
    }
    struct sigaction ordinary = {.sa_handler = SIG_DFL};
    sigaction(signal, &ordinary, NULL);
    raise(signal); /* comes once we are back: the ordinary end */
}

static void watch(const void *data, size_t size, const char *path)
{
    pthread_mutex_lock(&changing);
    Mapped *m = atomic_load(&all);
    while (m && atomic_load(&m->from) != 0)
        m = m->next;
    if (!m) {
        m = xcalloc(1, sizeof *m);
        m->next = atomic_load(&all);
        atomic_store(&all, m);
    }
    free(m->path);
    m->path = xstrdup(path);
    atomic_store(&m->size, size);
    atomic_store(&m->from, (uintptr_t)data);
    struct sigaction act = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &act, NULL);
    pthread_mutex_unlock(&changing);
}

bool mapped_open(const unsigned char **data, size_t *size, int fd, const char *path, Error *err)
{
    struct stat s;
    *data = NULL;
    *size = 0;
    if (fstat(fd, &s) != 0)
        return error_set(err, "%s", strerror(errno));
    if (!S_ISREG(s.st_mode))
        return error_set_status(err, STATUS_CORRUPT, "not a regular file");
    if (s.st_size == 0)
        return true;
    void *p = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return error_set_status(err, errno == ENOMEM ? STATUS_MEMORY : STATUS_FAILURE, "cannot map: %s", strerror(errno));
    *data = p;
    *size = (size_t)s.st_size;
    watch(p, *size, path);
    return true;
}

void mapped_close(const unsigned char *data, size_t size)
{
    if (!data)
        return;
    pthread_mutex_lock(&changing);
    for (Mapped *m = atomic_load(&all); m; m = m->next)
        if (atomic_load(&m->from) == (uintptr_t)data)
            atomic_store(&m->from, 0);
    pthread_mutex_unlock(&changing);
    munmap((void *)(uintptr_t)data, size);
}

void mapped_forget(const unsigned char *data, size_t size)
{
    madvise((void *)(uintptr_t)data, size, MADV_DONTNEED);
}
