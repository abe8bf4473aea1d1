/*
 * A caption as pages show it: its text, every number that a record says of it, and its ledger, token by token, as the paper's
 * Table 1. Nothing is computed: what is shown is what the record says.
 */
#ifndef PAGES_SHOWN_H
#define PAGES_SHOWN_H

#include <jansson.h>

#include "stream/stream.h"
#include "text/tokenizer.h"

/* A text as JSON (a new reference), what is no UTF-8 in it as U+FFFD. */
json_t *shown_text(Slice text);

/*
 * The ledger of a record (a new reference): {"tokens", "bad", "repeat", "returns", "values", "advantages", "sim", "ref", "itm",
 * "phi", "noeos", "fired"}, of these what there is; NULL where it has no reward of its tokens. tokenizer says the tokens, and may
 * be NULL: then they are numbers.
 */
json_t *shown_ledger(const Record *r, const Tokenizer *tokenizer, Arena *scratch);

/* A number as JSON (a new reference): whole ones as integers, null for what is none. */
json_t *shown_number(double value);

/* Adds every number in a JSON value (truth values as 0 and 1) to `numbers` by its path: path, then the keys down to it. */
void shown_flatten(json_t *numbers, const char *path, const json_t *value);

/* Adds every number of the record, of whatever group and depth, to `numbers` by its path ("reward.sim"); arrays are skipped.
 */
void shown_numbers(json_t *numbers, const Record *r);

#endif
