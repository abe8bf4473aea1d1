/* References by image; see compared.h. */
#include "eval/compared.h"

#include <stdlib.h>
#include <string.h>

void compared_add(Compared *c, const Slice *texts, size_t n, Arena *scratch)
{
    c->texts = array_reserve(c->texts, &c->text_capacity, c->n + n, sizeof *c->texts);
    c->words = array_reserve(c->words, &c->word_capacity, c->n + n, sizeof *c->words);
    c->first = array_reserve(c->first, &c->first_capacity, c->images + 1, sizeof *c->first);
    c->count = array_reserve(c->count, &c->count_capacity, c->images + 1, sizeof *c->count);
    if (!c->tokenizer)
        c->tokenizer = ptb_new();
    c->first[c->images] = c->n;
    c->count[c->images++] = n;
    for (size_t i = 0; i < n; i++) {
        Slice tokens = ptb_tokenize(c->tokenizer, texts[i], scratch);
        tokens.data = arena_strndup(&c->arena, tokens.data, tokens.size);
        c->texts[c->n + i] = tokens;
        c->words[c->n + i] = words_of(tokens, &c->arena);
    }
    frequencies_add(&c->frequencies, c->words + c->n, n, scratch);
    c->n += n;
}

void compared_release(Compared *c)
{
    free(c->texts);
    free(c->words);
    free(c->first);
    free(c->count);
    ptb_free(c->tokenizer);
    frequencies_release(&c->frequencies);
    arena_release(&c->arena);
    *c = (Compared){0};
}
