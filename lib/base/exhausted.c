/*
 * What running out of memory comes to: this program, the libraries it calls (FFmpeg, jansson, libc itself) and the threads they
 * start all allocate here, and what cannot be had ends the program with STATUS_MEMORY and a message. Not every library looks at
 * what malloc returned, and not every one that looks passes it on: a header without its names, a frame that "cannot be decoded"
 * would be taken for the input's fault, or for a result.
 *
 * The definitions stand before libc's for every library of the process and hand on to whatever is next: libc's, or a malloc that
 * somebody preloads. The address sanitizer brings its own and is let be. What no memory could ever hold (above PTRDIFF_MAX) is
 * no want of memory but a caller's mistake, and stays NULL.
 */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#endif

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/msg.h"

#ifndef SANITIZED

void *memalign(size_t alignment, size_t size);

/* Found at the first allocation, which comes before there are threads: the loader and libc make it. */
static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void *(*memalign)(size_t, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    int (*posix_memalign)(void **, size_t, size_t);
} next;

static void *find(const char *name)
{
    void *f = dlsym(RTLD_NEXT, name);
    if (!f)
        bug("no %s in any library", name);
    return f;
}

/* Through void **, as POSIX has it for dlsym: ISO C converts no object's pointer to a function's. */
static void next_find(void)
{
    *(void **)&next.calloc = find("calloc");
    *(void **)&next.realloc = find("realloc");
    *(void **)&next.memalign = find("memalign");
    *(void **)&next.aligned_alloc = find("aligned_alloc");
    *(void **)&next.posix_memalign = find("posix_memalign");
    *(void **)&next.malloc = find("malloc");
}

#define NEXT(f) (next.malloc ? (void)0 : next_find(), next.f)

static void *had(void *p, size_t size)
{
    if (!p && size > 0 && size <= PTRDIFF_MAX && errno == ENOMEM)
        die_status(STATUS_MEMORY, "out of memory: %zu bytes asked for", size);
    return p;
}

void *malloc(size_t size)
{
    return had(NEXT(malloc)(size), size);
}

void *calloc(size_t count, size_t size)
{
    size_t bytes;
    return had(NEXT(calloc)(count, size), __builtin_mul_overflow(count, size, &bytes) ? SIZE_MAX : bytes);
}

void *realloc(void *p, size_t size)
{
    return had(NEXT(realloc)(p, size), size);
}

void *memalign(size_t alignment, size_t size)
{
    return had(NEXT(memalign)(alignment, size), size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return had(NEXT(aligned_alloc)(alignment, size), size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    int status = NEXT(posix_memalign)(out, alignment, size);
    if (status == ENOMEM && size <= PTRDIFF_MAX)
        die_status(STATUS_MEMORY, "out of memory: %zu bytes asked for", size);
    return status;
}

#endif
