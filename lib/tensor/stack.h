/*
 * A stack of memory in blocks, on the device or the host: what the tape's tensors lie on. Blocks are kept after a release, so a
 * loop that has warmed up allocates nothing.
 */
#ifndef TENSOR_STACK_H
#define TENSOR_STACK_H

#include "base/base.h"

typedef struct StackBlock StackBlock;

typedef struct Stack {
    void *(*memory_new)(size_t bytes); /* dies rather than return NULL */
    void (*memory_free)(void *p);
    StackBlock *first, *current; /* owned */
    size_t used;                 /* bytes of current */
    size_t total, peak;          /* bytes in use, and the most there ever were */
    bool fixed;                  /* growing is a bug */
} Stack;

typedef struct StackMark {
    StackBlock *block;
    size_t used, total;
} StackMark;

void stack_init(Stack *s, void *(*memory_new)(size_t), void (*memory_free)(void *));
void stack_release(Stack *s); /* frees the memory */

/* bytes aligned to 64, not cleared. */
void *stack_push(Stack *s, size_t bytes);

/* Bytes of all blocks that were ever in use: no less than the peak, for what is asked for decides which block it goes to. */
size_t stack_reached(const Stack *s);

StackMark stack_mark(const Stack *s);
void stack_pop(Stack *s, StackMark mark); /* to the mark; {0} for everything */

#endif
