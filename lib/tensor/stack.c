/* A stack of memory in blocks; see stack.h. */
#include "tensor/stack.h"

#include <stdlib.h>

enum { ALIGNMENT = 64, FIRST_BLOCK = 1 << 18, LARGEST_STEP = 1 << 28 };

struct StackBlock {
    StackBlock *next;
    unsigned char *data;  /* of memory_new: maybe not the host's */
    size_t size, reached; /* bytes; how many of them were ever in use */
};

void stack_init(Stack *s, void *(*memory_new)(size_t), void (*memory_free)(void *))
{
    *s = (Stack){.memory_new = memory_new, .memory_free = memory_free};
}

void stack_release(Stack *s)
{
    for (StackBlock *b = s->first, *next; b; b = next) {
        next = b->next;
        s->memory_free(b->data);
        free(b);
    }
    stack_init(s, s->memory_new, s->memory_free);
}

/* A block of at least `bytes` behind `before` (NULL: at the front). */
static StackBlock *block_insert(Stack *s, StackBlock *before, size_t bytes)
{
    if (s->fixed)
        bug("the stack grows by %zu bytes (%zu in use) where everything should have been allocated", bytes, s->total);
    size_t size = before ? 2 * before->size : FIRST_BLOCK;
    if (size > LARGEST_STEP)
        size = LARGEST_STEP;
    StackBlock *b = xmalloc(sizeof *b);
    b->size = size > bytes ? size : bytes;
    b->reached = 0;
    b->data = s->memory_new(b->size);
    b->next = before ? before->next : s->first;
    *(before ? &before->next : &s->first) = b;
    return b;
}

/* Makes current the next block with room for bytes: smaller kept ones are skipped. */
static void block_advance(Stack *s, size_t bytes)
{
    StackBlock *last = s->current, *b = last ? last->next : s->first;
    while (b && b->size < bytes) {
        last = b;
        b = b->next;
    }
    s->current = b ? b : block_insert(s, last, bytes);
    s->used = 0;
}

void *stack_push(Stack *s, size_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        die_status(STATUS_MEMORY, "out of memory: %zu bytes asked for", bytes);
    bytes = bytes ? (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT : ALIGNMENT;
    if (!s->current || s->current->size - s->used < bytes)
        block_advance(s, bytes);
    void *p = s->current->data + s->used;
    s->used += bytes;
    s->total += bytes;
    if (s->used > s->current->reached)
        s->current->reached = s->used;
    if (s->total > s->peak)
        s->peak = s->total;
    return p;
}

size_t stack_reached(const Stack *s)
{
    size_t bytes = 0;
    for (const StackBlock *b = s->first; b; b = b->next)
        bytes += b->reached;
    return bytes;
}

StackMark stack_mark(const Stack *s)
{
    return (StackMark){s->current, s->used, s->total};
}

void stack_pop(Stack *s, StackMark mark)
{
    s->current = mark.block;
    s->used = mark.used;
    s->total = mark.total;
}
