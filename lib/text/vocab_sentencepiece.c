/*
 * SentencePiece's tokenizer.model (https://github.com/google/sentencepiece) of a BPE, as LLaMa-2 publishes it: pieces with
 * scores. Any two pieces that make up a third merge to it; the highest score goes first.
 */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/sentencepiece.pb-c.h"
#include "text/vocab.h"

enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, USER_DEFINED = 4, BYTE = 6, BPE = 2 };

typedef struct Ranked {
    const Sentencepiece__Piece *piece;
    size_t id;
} Ranked;

/* Highest score first; of equals the earlier piece. */
static int compare_scores(const void *a, const void *b)
{
    const Ranked *x = a, *y = b;
    if (x->piece->score != y->piece->score)
        return x->piece->score > y->piece->score ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

/* Every cut of the piece into two of the vocabulary, all with the piece's rank. */
static bool add_merges(Vocab *v, Slice piece, uint32_t rank, Error *err)
{
    int size;
    bool valid;
    for (size_t at = 0; at < piece.size; at += (size_t)size) {
        utf8_decode(piece.data + at, piece.data + piece.size, &size, &valid);
        Slice left = {piece.data, at}, right = {piece.data + at, piece.size - at};
        if (at > 0 && vocab_find(v, left) >= 0 && vocab_find(v, right) >= 0 && !vocab_merge_add(v, left, right, rank, err))
            return false;
    }
    return true;
}

/* How many merges there are at most: a cut between any two characters. */
static size_t cuts(const Sentencepiece__Model *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_pieces; i++)
        for (const char *p = m->pieces[i]->piece ? m->pieces[i]->piece : ""; *p; p++)
            n += ((unsigned char)*p & 0xC0) != 0x80;
    return n;
}

static bool pieces_read(Vocab *v, const Sentencepiece__Model *m, Error *err)
{
    Ranked *ranked = xcalloc(m->n_pieces + 1, sizeof *ranked);
    size_t n = 0;
    bool ok = true;
    for (size_t i = 0; ok && i < m->n_pieces; i++) {
        const Sentencepiece__Piece *p = m->pieces[i];
        const int type = p->has_type ? p->type : NORMAL;
        Slice name = slice_of(p->piece ? p->piece : "");
        ok = vocab_add(v, name, (int32_t)i, err);
        if (ok && type == UNKNOWN)
            v->unknown = v->names[i];
        if (ok && (type == UNKNOWN || type == CONTROL || type == USER_DEFINED))
            ok = vocab_added_add(v, (AddedToken){name, (int32_t)i, type != USER_DEFINED, false, false}, err);
        if (type == NORMAL)
            ranked[n++] = (Ranked){p, i};
    }
    qsort(ranked, n, sizeof *ranked, compare_scores);
    vocab_merges_init(v, cuts(m));
    for (size_t i = 0; ok && i < n; i++)
        ok = add_merges(v, v->names[ranked[i].id], (uint32_t)i, err);
    free(ranked);
    return ok;
}

static bool settings_fit(const Sentencepiece__Model *m, Error *err)
{
    const Sentencepiece__Normalizer *n = m->normalizer_spec;
    if (!m->trainer_spec || m->trainer_spec->model_type != BPE)
        return error_set(err, "a model of type %d, expected a BPE (%d)", m->trainer_spec ? m->trainer_spec->model_type : 1, BPE);
    if (n && (n->precompiled_charsmap.len > 0 || n->remove_extra_whitespaces || !n->escape_whitespaces))
        return error_set(err, "it normalises texts, expected one that keeps them (normalization_rule_name identity)");
    return m->n_pieces > 0 || error_set(err, "no pieces");
}

bool vocab_sentencepiece_read(Vocab *v, const char *path, Error *err)
{
    size_t size;
    char *bytes = file_read(path, &size, err);
    if (!bytes)
        return false;
    Sentencepiece__Model *m = sentencepiece__model__unpack(NULL, size, (const uint8_t *)bytes);
    bool ok = m ? settings_fit(m, err) && pieces_read(v, m, err) : error_set(err, "no SentencePiece model");
    v->kind = TOKENIZER_SENTENCEPIECE;
    v->front = m && m->normalizer_spec && !m->normalizer_spec->add_dummy_prefix ? FRONT_NEVER : FRONT_ALWAYS;
    if (m)
        sentencepiece__model__free_unpacked(m, NULL);
    free(bytes);
    return ok || error_prefix(err, "%s", path);
}
