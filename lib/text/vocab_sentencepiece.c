/*
 * SentencePiece's own files (https://github.com/google/sentencepiece), pieces with scores: tokenizer.model of a BPE, as LLaMa-2
 * publishes it, where any two pieces that make up a third merge to it, the highest score first; and SigLIP's spiece.model, a
 * unigram model, read as the tokenizer.json made of it says.
 */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/sentencepiece.pb-c.h"
#include "text/vocab.h"

enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, USER_DEFINED = 4, BYTE = 6, UNIGRAM = 1, BPE = 2 };

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

static bool bpe_fits(const Sentencepiece__Normalizer *n, Error *err)
{
    if (n && (n->precompiled_charsmap.len > 0 || n->remove_extra_whitespaces || !n->escape_whitespaces))
        return error_set(err, "it normalises texts, expected one that keeps them (normalization_rule_name identity)");
    return true;
}

static bool read_bpe(Vocab *v, const Sentencepiece__Model *m, Error *err)
{
    v->kind = TOKENIZER_SENTENCEPIECE;
    v->front = m->normalizer_spec && !m->normalizer_spec->add_dummy_prefix ? FRONT_NEVER : FRONT_ALWAYS;
    return bpe_fits(m->normalizer_spec, err) && pieces_read(v, m, err);
}

static bool read_unigram(Vocab *v, const Sentencepiece__Model *m, Error *err)
{
    static const NormalStep steps[] = {NORMAL_LOWER, NORMAL_NO_PUNCTUATION, NORMAL_ONE_SPACE,
                                       NORMAL_STRIP, NORMAL_CHARSMAP,       NORMAL_ONE_BLANK};
    const Sentencepiece__Normalizer *n = m->normalizer_spec;
    v->kind = TOKENIZER_UNIGRAM;
    v->front = FRONT_UNLESS;
    v->n_steps = sizeof steps / sizeof steps[0];
    memcpy(v->steps, steps, sizeof steps);
    if (n && (!n->add_dummy_prefix || !n->remove_extra_whitespaces || !n->escape_whitespaces))
        return error_set(err, "it keeps spaces as they are, expected one that writes one before each word");
    for (size_t i = 0; i < m->n_pieces; i++) {
        const Sentencepiece__Piece *p = m->pieces[i];
        if (!vocab_score_add(v, slice_of(p->piece ? p->piece : ""), (double)p->score, err))
            return false;
        if (p->type == UNKNOWN)
            v->unknown = v->names[i];
        v->bytes = v->bytes || p->type == BYTE;
    }
    if (!v->unknown.size)
        return error_set(err, "no piece is the unknown one");
    const Slice map = n ? (Slice){(const char *)n->precompiled_charsmap.data, n->precompiled_charsmap.len} : (Slice){0};
    return map.size == 0 || charsmap_init(&v->charsmap, &v->arena, map, err);
}

static bool read_model(Vocab *v, const Sentencepiece__Model *m, Error *err)
{
    const int type = m->trainer_spec && m->trainer_spec->has_model_type ? m->trainer_spec->model_type : UNIGRAM;
    if (m->n_pieces == 0)
        return error_set(err, "no pieces");
    if (type != BPE && type != UNIGRAM)
        return error_set(err, "a model of type %d, expected a unigram model (%d) or a BPE (%d)", type, UNIGRAM, BPE);
    return type == BPE ? read_bpe(v, m, err) : read_unigram(v, m, err);
}

bool vocab_sentencepiece_read(Vocab *v, const char *path, Error *err)
{
    size_t size;
    char *bytes = file_read(path, &size, err);
    if (!bytes)
        return false;
    Sentencepiece__Model *m = sentencepiece__model__unpack(NULL, size, (const uint8_t *)bytes);
    bool ok = m ? read_model(v, m, err) : error_set(err, "no SentencePiece model");
    if (m)
        sentencepiece__model__free_unpacked(m, NULL);
    free(bytes);
    return ok || error_prefix(err, "%s", path);
}
