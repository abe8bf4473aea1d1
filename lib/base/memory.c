/* Allocation that dies, and arenas; see memory.h. */
#include "base/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/msg.h"

enum { ALIGNMENT = 64, FIRST_BLOCK = 64 * 1024 };

static bool forbidden_now;

void memory_forbid(bool forbidden)
{
    forbidden_now = forbidden;
}

static void *checked(void *p, size_t size)
{
    if (forbidden_now)
        bug("allocation of %zu bytes in a loop that must not allocate", size);
    if (!p && size > 0)
        die_status(STATUS_MEMORY, "out of memory: %zu bytes asked for", size);
    return p;
}

void *xmalloc(size_t size)
{
    return checked(malloc(size ? size : 1), size);
}

void *xcalloc(size_t count, size_t size)
{
    return checked(calloc(count ? count : 1, size ? size : 1), count * size);
}

void *xrealloc(void *p, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        die_status(STATUS_MEMORY, "out of memory: %zu elements of %zu bytes asked for", count, size);
    return checked(realloc(p, bytes ? bytes : 1), bytes);
}

char *xstrndup(const char *s, size_t n)
{
    char *copy = xmalloc(n + 1);
    if (n > 0)
        memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

char *xstrdup(const char *s)
{
    return xstrndup(s, strlen(s));
}

char *xasprintf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        bug("bad format: %s", format);
    char *text = xmalloc((size_t)n + 1);
    va_start(args, format);
    vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
    return text;
}

void *array_reserve(void *items, size_t *capacity, size_t need, size_t size)
{
    if (need <= *capacity)
        return items;
    size_t grown = *capacity ? *capacity : 16;
    while (grown < need)
        grown *= 2;
    items = xrealloc(items, grown, size);
    *capacity = grown;
    return items;
}

struct ArenaBlock {
    ArenaBlock *next;
    size_t size;
    _Alignas(ALIGNMENT) unsigned char data[];
};

void arena_init(Arena *a)
{
    *a = (Arena){0};
}

static ArenaBlock *block_new(size_t size)
{
    size_t bytes = (sizeof(ArenaBlock) + size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    ArenaBlock *b = checked(aligned_alloc(ALIGNMENT, bytes), bytes);
    b->next = NULL;
    b->size = size;
    return b;
}

/* Makes `current` a block with room for size: the next kept one if it is large enough, else a new one before it. */
static void block_advance(Arena *a, size_t size)
{
    ArenaBlock *next = a->current ? a->current->next : a->first;
    if (!next || next->size < size) {
        size_t grown = a->current ? 2 * a->current->size : FIRST_BLOCK;
        ArenaBlock *b = block_new(grown > size ? grown : size);
        b->next = next;
        if (a->current)
            a->current->next = b;
        else
            a->first = b;
        next = b;
    }
    a->current = next;
    a->used = 0;
}

void *arena_alloc(Arena *a, size_t size)
{
    if (size > SIZE_MAX - ALIGNMENT)
        die_status(STATUS_MEMORY, "out of memory: %zu bytes asked for", size);
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (!a->current || a->current->size - a->used < size)
        block_advance(a, size);
    void *p = a->current->data + a->used;
    a->used += size;
    a->total += size;
    if (a->total > a->peak)
        a->peak = a->total;
    return p;
}

void *arena_calloc(Arena *a, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        die_status(STATUS_MEMORY, "out of memory: %zu elements of %zu bytes asked for", count, size);
    return memset(arena_alloc(a, bytes), 0, bytes);
}

char *arena_strndup(Arena *a, const char *s, size_t n)
{
    char *copy = arena_alloc(a, n + 1);
    if (n > 0)
        memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

ArenaMark arena_mark(const Arena *a)
{
    return (ArenaMark){a->current, a->used, a->total};
}

void arena_release_to(Arena *a, ArenaMark mark)
{
    a->current = mark.block;
    a->used = mark.used;
    a->total = mark.total;
}

void arena_reset(Arena *a)
{
    arena_release_to(a, (ArenaMark){0});
}

void arena_release(Arena *a)
{
    for (ArenaBlock *b = a->first, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    arena_init(a);
}
