/*
 * Patterns of lexer.h as one automaton that is in many states at once (Thompson, "Regular expression search algorithm", CACM
 * 1968).
 */
#ifndef TEXT_PTB_LEXER_PATTERN_H
#define TEXT_PTB_LEXER_PATTERN_H

#include "text/ptb/lexer.h"

/* Sorted, apart from one another. */
typedef struct UnitSet {
    LexerRange *ranges; /* owned */
    size_t n, capacity;
} UnitSet;

typedef enum NodeKind {
    NODE_EMPTY, /* goes on to out[0] and out[1] without a unit; NODE_NONE where there is none */
    NODE_UNIT,  /* goes on to out[0] with a unit of set `number` */
    NODE_FOUND  /* rule `number` has matched */
} NodeKind;
#define NODE_NONE UINT32_MAX

typedef struct Node {
    NodeKind kind;
    uint32_t number, out[2];
} Node;

/* How long the token of a rule is, of a match of `size` units: `token` where that is not 0, else size - ahead. */
typedef struct RuleSize {
    size_t token, ahead;
} RuleSize;

typedef struct Nodes {
    Node *nodes;     /* owned */
    UnitSet *sets;   /* owned */
    RuleSize *sizes; /* owned: [rules] */
    size_t n, capacity, n_sets, set_capacity;
    uint32_t start;
} Nodes;

/* Fills `out`, which is {0}, with all rules. */
void nodes_make(Nodes *out, const LexerName *names, size_t n_names, const LexerRule *rules, size_t n_rules);

/* Whether the unit is of the set. */
bool set_has(const UnitSet *set, uint32_t unit);

/* Frees what it holds; it is empty again. */
void nodes_release(Nodes *n);

#endif
