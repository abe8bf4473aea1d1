/*
 * The nodes of lexer_pattern.h, all at once: a state is a set of nodes, and the table of states is filled in where a text goes
 * through it. Units that no set tells apart are one column.
 */
#include "text/ptb/lexer.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/hashmap.h"
#include "base/memory.h"
#include "base/msg.h"
#include "text/ptb/lexer_pattern.h"

enum { UNITS = UINT16_MAX + 1, UNKNOWN = -1, DEAD = 0, START = 1 };

/* Where a state's nodes are in `members`, and the rule that has matched there, or -1. */
typedef struct State {
    size_t first, n;
    int rule;
} State;

struct Lexer {
    Nodes nodes;
    uint8_t column[UNITS];
    bool *in_set; /* owned: [sets, columns] */
    size_t columns;

    State *states;                       /* owned: DEAD has no nodes */
    int32_t *next;                       /* owned: [states, columns], UNKNOWN until asked for */
    uint32_t *members, *found, *waiting; /* owned; the latter two, [nodes], are work */
    uint32_t *seen, round;               /* owned: [nodes], the round in which a node was last met */
    size_t n_states, state_capacity, next_capacity, n_members, member_capacity, n_found;
    HashMap known; /* a set's hash to its state */
};

/* ---- columns ---- */

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Where some set begins or is over, sorted; returns how many. The caller frees them. */
static uint32_t *cuts_of(const Nodes *nodes, size_t *n)
{
    size_t total = 2;
    for (size_t s = 0; s < nodes->n_sets; s++)
        total += 2 * nodes->sets[s].n;
    uint32_t *cuts = xmalloc(total * sizeof *cuts);
    cuts[0] = 0;
    cuts[1] = UNITS;
    *n = 2;
    for (size_t s = 0; s < nodes->n_sets; s++)
        for (size_t i = 0; i < nodes->sets[s].n; i++) {
            cuts[(*n)++] = nodes->sets[s].ranges[i].first;
            cuts[(*n)++] = nodes->sets[s].ranges[i].last + 1u;
        }
    qsort(cuts, *n, sizeof *cuts, compare_numbers);
    return cuts;
}

/* Between two cuts all units are in the same sets; so are those of other stretches, which are then the same column. */
static void columns_make(Lexer *l)
{
    size_t n_cuts, n_sets = l->nodes.n_sets;
    uint32_t *cuts = cuts_of(&l->nodes, &n_cuts);
    uint8_t *sets = xmalloc(n_sets + 1);
    bool *rows = xmalloc(256 * (n_sets + 1)); /* [columns, sets] */
    HashMap known = {0};
    for (size_t i = 0; i + 1 < n_cuts; i++) {
        if (cuts[i] == cuts[i + 1])
            continue;
        for (size_t s = 0; s < n_sets; s++)
            sets[s] = set_has(&l->nodes.sets[s], cuts[i]);
        int64_t *column = hashmap_at(&known, hash_id(sets, n_sets));
        if (*column == 0) {
            if (l->columns == 256)
                bug("more than 256 kinds of units");
            memcpy(rows + l->columns * n_sets, sets, n_sets);
            *column = (int64_t)++l->columns;
        }
        memset(l->column + cuts[i], (int)*column - 1, cuts[i + 1] - cuts[i]);
    }
    l->in_set = xmalloc((n_sets + 1) * l->columns);
    for (size_t s = 0; s < n_sets; s++)
        for (size_t c = 0; c < l->columns; c++)
            l->in_set[s * l->columns + c] = rows[c * n_sets + s];
    hashmap_release(&known);
    free(cuts);
    free(sets);
    free(rows);
}

/* ---- states ---- */

/* Adds to l->found what is reached from a node without a unit. Empty nodes themselves are not kept. */
static void reach(Lexer *l, uint32_t node)
{
    size_t n = 0;
    l->waiting[n++] = node;
    while (n > 0) {
        uint32_t at = l->waiting[--n];
        if (at == NODE_NONE || l->seen[at] == l->round)
            continue;
        l->seen[at] = l->round;
        const Node *p = &l->nodes.nodes[at];
        if (p->kind == NODE_EMPTY) {
            l->waiting[n++] = p->out[1];
            l->waiting[n++] = p->out[0];
        } else {
            l->found[l->n_found++] = at;
        }
    }
}

static int first_rule(const Lexer *l, const uint32_t *members, size_t n)
{
    int rule = -1;
    for (size_t i = 0; i < n; i++) {
        const Node *p = &l->nodes.nodes[members[i]];
        if (p->kind == NODE_FOUND && (rule < 0 || (int)p->number < rule))
            rule = (int)p->number;
    }
    return rule;
}

/* The state of what is in l->found: one there is, or a new one. */
static int32_t state_of(Lexer *l)
{
    qsort(l->found, l->n_found, sizeof *l->found, compare_numbers);
    int64_t *number = hashmap_at(&l->known, hash_id(l->found, l->n_found * sizeof *l->found));
    if (*number > 0 || l->n_found == 0)
        return (int32_t)*number;
    *number = (int64_t)l->n_states;
    l->states = array_reserve(l->states, &l->state_capacity, l->n_states + 1, sizeof *l->states);
    l->members = array_reserve(l->members, &l->member_capacity, l->n_members + l->n_found, sizeof *l->members);
    l->next = array_reserve(l->next, &l->next_capacity, (l->n_states + 1) * l->columns, sizeof *l->next);
    memcpy(l->members + l->n_members, l->found, l->n_found * sizeof *l->found);
    for (size_t c = 0; c < l->columns; c++)
        l->next[l->n_states * l->columns + c] = UNKNOWN;
    l->states[l->n_states] = (State){l->n_members, l->n_found, first_rule(l, l->found, l->n_found)};
    l->n_members += l->n_found;
    return (int32_t)l->n_states++;
}

static int32_t step(Lexer *l, int32_t state, uint8_t column)
{
    int32_t known = l->next[(size_t)state * l->columns + column];
    if (known != UNKNOWN)
        return known;
    const State *s = &l->states[state];
    l->n_found = 0;
    l->round++;
    for (size_t i = 0; i < s->n; i++) {
        const Node *p = &l->nodes.nodes[l->members[s->first + i]];
        if (p->kind == NODE_UNIT && l->in_set[p->number * l->columns + column])
            reach(l, p->out[0]);
    }
    int32_t next = state_of(l);
    return l->next[(size_t)state * l->columns + column] = next;
}

Lexer *lexer_new(const LexerName *names, size_t n_names, const LexerRule *rules, size_t n_rules)
{
    Lexer *l = xcalloc(1, sizeof *l);
    nodes_make(&l->nodes, names, n_names, rules, n_rules);
    columns_make(l);
    l->found = xmalloc(l->nodes.n * sizeof *l->found);
    l->waiting = xmalloc((2 * l->nodes.n + 1) * sizeof *l->waiting);
    l->seen = xcalloc(l->nodes.n, sizeof *l->seen);
    l->next = array_reserve(NULL, &l->next_capacity, l->columns, sizeof *l->next);
    for (size_t c = 0; c < l->columns; c++)
        l->next[c] = DEAD;
    l->states = array_reserve(NULL, &l->state_capacity, 1, sizeof *l->states);
    l->states[l->n_states++] = (State){0, 0, -1};
    l->round = 1;
    reach(l, l->nodes.start);
    state_of(l);
    return l;
}

void lexer_free(Lexer *l)
{
    if (!l)
        return;
    nodes_release(&l->nodes);
    hashmap_release(&l->known);
    free(l->in_set);
    free(l->states);
    free(l->next);
    free(l->members);
    free(l->found);
    free(l->waiting);
    free(l->seen);
    free(l);
}

int lexer_match(Lexer *l, const uint16_t *units, size_t n, size_t *size)
{
    int rule = -1;
    size_t matched = 0;
    int32_t state = START;
    for (size_t i = 0; i < n && (state = step(l, state, l->column[units[i]])) != DEAD; i++)
        if (l->states[state].rule >= 0) {
            rule = l->states[state].rule;
            matched = i + 1;
        }
    if (rule >= 0) {
        const RuleSize *s = &l->nodes.sizes[rule];
        *size = s->token > 0 ? s->token : matched - s->ahead;
    }
    return rule;
}
