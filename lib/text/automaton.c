/* Built in the textbook's three steps: a trie, then failure links breadth first, then failures folded into the table. */
#include "text/automaton.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { MOST_CELLS = 1 << 26 }; /* 256 MB of table */

struct Automaton {
    uint32_t *symbols; /* owned, sorted: the symbols of the patterns; column k + 1 of the table is symbols[k] */
    size_t n_symbols;
    uint32_t ascii[128]; /* columns of small symbols */
    uint32_t *table;     /* owned: [states, n_symbols + 1]; column 0 is every symbol of no pattern */
    size_t width, n_states;
    uint32_t *output;  /* owned: [states] first pattern that ends here, or AUTOMATON_NONE */
    uint32_t *shorter; /* owned: [states] the next state down the failure links with an output, or 0 */
    uint32_t *same;    /* owned: [patterns] another pattern of the same symbols */
};

static int compare_symbols(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void collect_symbols(Automaton *a, const Pattern *patterns, size_t n)
{
    size_t total = 0, distinct = 0;
    for (size_t i = 0; i < n; i++)
        total += patterns[i].size;
    a->symbols = xmalloc((total + 1) * sizeof *a->symbols);
    total = 0;
    for (size_t i = 0; i < n; total += patterns[i++].size)
        memcpy(a->symbols + total, patterns[i].symbols, patterns[i].size * sizeof *a->symbols);
    qsort(a->symbols, total, sizeof *a->symbols, compare_symbols);
    for (size_t i = 0; i < total; i++)
        if (i == 0 || a->symbols[i] != a->symbols[distinct - 1])
            a->symbols[distinct++] = a->symbols[i];
    a->n_symbols = distinct;
    a->width = distinct + 1;
    for (size_t k = 0; k < distinct && a->symbols[k] < 128; k++)
        a->ascii[a->symbols[k]] = (uint32_t)k + 1;
}

static uint32_t column_of(const Automaton *a, uint32_t symbol)
{
    if (symbol < 128)
        return a->ascii[symbol];
    const uint32_t *found = bsearch(&symbol, a->symbols, a->n_symbols, sizeof symbol, compare_symbols);
    return found ? (uint32_t)(found - a->symbols) + 1 : 0;
}

uint32_t automaton_step(const Automaton *a, uint32_t state, uint32_t symbol)
{
    return a->table[state * a->width + column_of(a, symbol)];
}

static uint32_t state_new(Automaton *a)
{
    a->output[a->n_states] = AUTOMATON_NONE;
    return (uint32_t)a->n_states++;
}

/* In the trie, 0 is no edge: nothing leads back to the root. */
static void insert(Automaton *a, const Pattern *p, uint32_t index)
{
    uint32_t state = 0;
    for (size_t i = 0; i < p->size; i++) {
        uint32_t *edge = &a->table[state * a->width + column_of(a, p->symbols[i])];
        if (!*edge)
            *edge = state_new(a);
        state = *edge;
    }
    a->same[index] = a->output[state];
    a->output[state] = index;
}

/* Breadth first, so that a state's failure, which is nearer to the root, has its row complete already. */
static void complete(Automaton *a)
{
    uint32_t *queue = xmalloc(a->n_states * sizeof *queue), *failure = xcalloc(a->n_states, sizeof *failure);
    size_t tail = 0;
    for (size_t k = 0; k < a->width; k++)
        if (a->table[k])
            queue[tail++] = a->table[k];
    for (size_t head = 0; head < tail; head++) {
        uint32_t state = queue[head], back = failure[state];
        uint32_t *row = a->table + state * a->width, *fallback = a->table + back * a->width;
        a->shorter[state] = a->output[back] != AUTOMATON_NONE ? back : a->shorter[back];
        for (size_t k = 0; k < a->width; k++) {
            if (row[k]) {
                failure[row[k]] = fallback[k];
                queue[tail++] = row[k];
            } else {
                row[k] = fallback[k];
            }
        }
    }
    free(queue);
    free(failure);
}

Automaton *automaton_new(const Pattern *patterns, size_t n, Error *err)
{
    Automaton *a = xcalloc(1, sizeof *a);
    size_t most = 1;
    for (size_t i = 0; i < n; i++)
        most += patterns[i].size;
    collect_symbols(a, patterns, n);
    if (most > MOST_CELLS / a->width) {
        error_set(err, "%zu phrases with %zu characters, %zu different ones, are more than one automaton should hold", n,
                  most - 1, a->n_symbols);
        automaton_free(a);
        return NULL;
    }
    a->table = xcalloc(most * a->width, sizeof *a->table);
    a->output = xmalloc(most * sizeof *a->output);
    a->shorter = xcalloc(most, sizeof *a->shorter);
    a->same = xmalloc((n + 1) * sizeof *a->same);
    state_new(a);
    for (size_t i = 0; i < n; i++)
        insert(a, &patterns[i], (uint32_t)i);
    complete(a);
    return a;
}

void automaton_free(Automaton *a)
{
    if (!a)
        return;
    free(a->symbols);
    free(a->table);
    free(a->output);
    free(a->shorter);
    free(a->same);
    free(a);
}

uint32_t automaton_first(const Automaton *a, uint32_t *state)
{
    if (a->output[*state] == AUTOMATON_NONE)
        *state = a->shorter[*state];
    return a->output[*state];
}

uint32_t automaton_next(const Automaton *a, uint32_t *state, uint32_t pattern)
{
    if (a->same[pattern] != AUTOMATON_NONE)
        return a->same[pattern];
    *state = a->shorter[*state];
    return a->output[*state]; /* the root has none */
}
