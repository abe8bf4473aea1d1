/*
 * All phrases in one pass: the automaton of Aho and Corasick ("Efficient string matching", CACM 1975), as a full table of
 * states and symbols. Knows nothing of words or case: its symbols are whatever numbers the caller gives.
 */
#ifndef TEXT_AUTOMATON_H
#define TEXT_AUTOMATON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/msg.h"

typedef struct Automaton Automaton;

/* size symbols; not empty. */
typedef struct Pattern {
    const uint32_t *symbols;
    size_t size;
} Pattern;

#define AUTOMATON_NONE UINT32_MAX

/* NULL with err set if the table would be absurdly large. Patterns are copied in; the caller frees the automaton. */
Automaton *automaton_new(const Pattern *patterns, size_t n, Error *err);
void automaton_free(Automaton *a);

/* The state after one more symbol; the state before any is 0. */
uint32_t automaton_step(const Automaton *a, uint32_t state, uint32_t symbol);

/* The patterns that end in a state: the first, then the one after each, until AUTOMATON_NONE; longer ones come first. */
uint32_t automaton_first(const Automaton *a, uint32_t *state);
uint32_t automaton_next(const Automaton *a, uint32_t *state, uint32_t pattern);

#endif
