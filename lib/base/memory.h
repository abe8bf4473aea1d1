/*
 * Memory: allocation that dies rather than returns NULL, and arenas.
 *
 * An Arena hands out memory that is freed all at once (or back to a mark), so nothing is freed singly: one arena
 * per lifetime (model, step, record). Blocks are kept for reuse after a release: a loop that has warmed up
 * allocates nothing. An Arena is not shared between threads.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>
#include <stdbool.h>

/* As malloc, calloc, realloc and strdup; exit with STATUS_MEMORY instead of returning NULL. count*size is checked. (So do malloc
 * and its like themselves, for the libraries' sake: exhausted.c. These say it under the sanitizers too, and for any size.) */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *p, size_t count, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);

/* A new formatted string; the caller frees it. */
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* While forbidden, all of the above and new blocks of arenas are bugs that abort: loops that must not allocate are held to it. */
void memory_forbid(bool forbidden);

/* Room for at least `need` elements in a growing array: doubles *capacity. items is realloc'ed and returned. */
void *array_reserve(void *items, size_t *capacity, size_t need, size_t size);

typedef struct ArenaBlock ArenaBlock;
typedef struct Arena {
    ArenaBlock *first, *current; /* owned */
    size_t used;                 /* bytes used in current */
    size_t peak, total;          /* bytes in use now, and the most there ever was */
} Arena;

typedef struct ArenaMark {
    ArenaBlock *block;
    size_t used, total;
} ArenaMark;

/* An empty arena: allocates nothing until asked. `= {0}` does the same. */
void arena_init(Arena *a);

/* size bytes aligned to 64, not cleared; dies with STATUS_MEMORY. Lives until the arena is released past this point. */
void *arena_alloc(Arena *a, size_t size);
void *arena_calloc(Arena *a, size_t count, size_t size);
char *arena_strndup(Arena *a, const char *s, size_t n);

/* Everything allocated after the mark is given back (and kept for reuse). */
ArenaMark arena_mark(const Arena *a);
void arena_release_to(Arena *a, ArenaMark mark);
void arena_reset(Arena *a);

/* Frees all memory; the arena is as after arena_init. */
void arena_release(Arena *a);

#endif
