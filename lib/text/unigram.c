/*
 * Unigram language models (Kudo 2018, https://arxiv.org/abs/1804.10959): of all ways to cut a piece of text into rows the one
 * whose scores, log-probabilities, have the greatest sum (Viterbi); a character of no row is unknown, a run of them one token.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "text/pieces.h"

/* The best way to the place before a character, from the place where its last row begins. */
typedef struct Way {
    double score; /* -inf: none so far */
    size_t from, to;
    int32_t id; /* -1: unknown */
} Way;

typedef struct Lattice {
    char *text; /* the piece as UTF-8 */
    size_t *at; /* [n + 1]: the byte each character begins at */
    Way *ways;  /* [n + 1] */
    size_t n;
} Lattice;

static Lattice lattice_new(const Chars *s, TextRange piece)
{
    const size_t n = piece.end - piece.start;
    Lattice l = {xmalloc(4 * n + 1), xcalloc(n + 1, sizeof *l.at), xcalloc(n + 1, sizeof *l.ways), n};
    for (size_t i = 0; i < n; i++) {
        l.at[i + 1] = l.at[i] + (size_t)utf8_encode(l.text + l.at[i], s->code[piece.start + i]);
        l.ways[i + 1].score = -INFINITY;
    }
    return l;
}

static void lattice_free(Lattice *l)
{
    free(l->text);
    free(l->at);
    free(l->ways);
}

/* The row that characters [from, to) are, or -1. */
static int32_t row_of(const Lattice *l, const Vocab *v, size_t from, size_t to)
{
    const int32_t id = vocab_find(v, (Slice){l->text + l->at[from], l->at[to] - l->at[from]});
    return (size_t)id < v->n_scores ? id : -1; /* an added token is no row */
}

static void offer(Way *way, double score, size_t from, int32_t id)
{
    if (score > way->score)
        *way = (Way){.score = score, .from = from, .id = id};
}

/* The ways on from each place, nearest first: of equals the first stays. */
static void find_ways(Lattice *l, const Vocab *v, size_t longest)
{
    for (size_t from = 0; from < l->n; from++) {
        const double here = l->ways[from].score;
        for (size_t to = from + 1; to <= l->n && l->at[to] - l->at[from] <= longest; to++) {
            const int32_t id = row_of(l, v, from, to);
            if (id >= 0)
                offer(&l->ways[to], here + v->scores[id], from, id);
        }
        if (row_of(l, v, from, from + 1) < 0)
            offer(&l->ways[from + 1], here + v->unknown_score, from, -1);
    }
    for (size_t to = l->n; to > 0; to = l->ways[to].from)
        l->ways[l->ways[to].from].to = to;
}

/* Characters [from, to) as the rows of their bytes, each for all of them; false where one is no row. */
static bool push_bytes(TokenList *out, const Lattice *l, const Vocab *v, size_t from, size_t to, size_t first, size_t last)
{
    const size_t before = out->n;
    for (size_t i = l->at[from]; i < l->at[to]; i++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", (unsigned)(uint8_t)l->text[i]);
        const int32_t id = vocab_find(v, slice_of(name));
        if (id < 0) {
            out->n = before;
            return false;
        }
        token_list_push(out, id, first, last);
    }
    return true;
}

void unigram_encode(TokenList *out, const Vocab *v, const Chars *s, TextRange piece, int32_t unknown, size_t longest)
{
    Lattice l = lattice_new(s, piece);
    find_ways(&l, v, longest);
    for (size_t from = 0, to; from < l.n; from = to) {
        to = l.ways[from].to;
        int32_t id = l.ways[to].id;
        while (id < 0 && to < l.n && l.ways[l.ways[to].to].id < 0)
            to = l.ways[to].to;
        if (id < 0)
            id = row_of(&l, v, from, to);
        const size_t first = s->origin[piece.start + from], last = s->origin[piece.start + to - 1];
        if (id >= 0 || !v->bytes || !push_bytes(out, &l, v, from, to, first, last))
            token_list_push(out, id < 0 ? unknown : id, first, last);
    }
    lattice_free(&l);
}
