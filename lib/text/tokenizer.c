/*
 * The tokenizers behind one interface: cut out added tokens, normalise, split, encode; special ids and limits around it.
 * Decoding is in decode.c, the files are read by vocab_read.c.
 */
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/tokenizer_struct.h"

static int32_t id_of(const Tokenizer *t, const char *name)
{
    return vocab_find(&t->vocab, slice_of(name));
}

/* The ids that mean something; false if one is missing without which the kind does not work. */
static bool find_ids(Tokenizer *t, Error *err)
{
    static const char *const names[][4] = {
        [TOKENIZER_BYTES] = {"", "", "<pad>", "<unk>"},
        [TOKENIZER_SENTENCEPIECE] = {"<s>", "</s>", "<pad>", "<unk>"},
        [TOKENIZER_UNIGRAM] = {"", "</s>", "", "<unk>"},
        [TOKENIZER_OPT] = {"</s>", "\u010a", "<pad>", ""},
        [TOKENIZER_CLIP] = {"<|startoftext|>", "<|endoftext|>", "<|endoftext|>", "<|endoftext|>"},
        [TOKENIZER_BERT] = {"[CLS]", "[SEP]", "[PAD]", "[UNK]"}};
    const char *const *name = names[t->vocab.kind];
    t->ids = (TokenizerIds){id_of(t, name[0]), id_of(t, name[1]), id_of(t, name[2]), id_of(t, name[3]), id_of(t, "<image>")};
    if (t->ids.image < 0)
        t->ids.image = t->vocab.image;
    if (t->vocab.kind == TOKENIZER_BYTES) {
        t->ids.bos = t->vocab.bos.size ? vocab_find(&t->vocab, t->vocab.bos) : -1;
        t->ids.eos = t->vocab.eos.size ? vocab_find(&t->vocab, t->vocab.eos) : -1;
        return t->ids.eos >= 0 || error_set(err, "tokenizer_config.json names no eos_token of the vocabulary");
    }
    if (t->vocab.kind == TOKENIZER_UNIGRAM) {
        t->ids.unknown = vocab_find(&t->vocab, t->vocab.unknown);
        t->ids.pad = t->vocab.pad.size ? vocab_find(&t->vocab, t->vocab.pad) : t->ids.eos;
        return t->ids.eos >= 0 || error_set(err, "the vocabulary has no \"</s>\"");
    }
    if (t->vocab.kind == TOKENIZER_SENTENCEPIECE && t->ids.bos < 0 && t->vocab.bos.size) { /* Gemma's names */
        t->ids.bos = vocab_find(&t->vocab, t->vocab.bos);
        t->ids.eos = vocab_find(&t->vocab, t->vocab.eos);
        t->ids.pad = vocab_find(&t->vocab, t->vocab.pad);
    }
    if (t->ids.bos < 0 || t->ids.eos < 0)
        return error_set(err, "the vocabulary has no \"%s\"", name[t->ids.bos < 0 ? 0 : 1]);
    if (t->vocab.kind == TOKENIZER_BERT && t->ids.unknown < 0)
        return error_set(err, "the vocabulary has no \"[UNK]\"");
    return true;
}

/* The bytes of a name; an empty slice if it has a character that stands for no byte. */
static Slice bytes_of_name(Arena *arena, Slice name)
{
    char *bytes = arena_alloc(arena, name.size + 1);
    size_t n = 0;
    for (const char *p = name.data, *end = p + name.size; p < end;) {
        int size, byte;
        bool valid;
        byte = byte_of_character(utf8_decode(p, end, &size, &valid));
        if (byte < 0 || !valid)
            return (Slice){"", 0};
        bytes[n++] = (char)byte;
        p += size;
    }
    return (Slice){bytes, n};
}

/* "<0x0A>" is a byte; in any other name of SentencePiece U+2581 is a space. */
static Slice bytes_of_sentencepiece(Arena *arena, Slice name)
{
    char *bytes = arena_alloc(arena, name.size + 1), *end;
    size_t n = 0;
    if (name.size == 6 && slice_starts(name, SLICE("<0x")) && name.data[5] == '>') {
        bytes[0] = (char)strtol((char[]){name.data[3], name.data[4], '\0'}, &end, 16);
        return (Slice){bytes, 1};
    }
    for (size_t i = 0; i < name.size; i += slice_starts((Slice){name.data + i, name.size - i}, SLICE("\u2581")) ? 3 : 1)
        bytes[n++] = slice_starts((Slice){name.data + i, name.size - i}, SLICE("\u2581")) ? ' ' : name.data[i];
    return (Slice){bytes, n};
}

static void find_bytes(Tokenizer *t)
{
    Vocab *v = &t->vocab;
    t->bytes = arena_calloc(&v->arena, (size_t)v->size, sizeof *t->bytes);
    t->special = arena_calloc(&v->arena, (size_t)v->size, sizeof *t->special);
    for (int32_t id = 0; id < v->size; id++) {
        Slice name = v->names[id].data ? v->names[id] : SLICE("");
        t->longest = name.size > t->longest ? name.size : t->longest;
        if (v->kind == TOKENIZER_CLIP && slice_ends(name, SLICE("</w>")))
            name.size -= 4;
        if (v->kind == TOKENIZER_SENTENCEPIECE || v->kind == TOKENIZER_UNIGRAM)
            t->bytes[id] = bytes_of_sentencepiece(&v->arena, name);
        else if (v->kind != TOKENIZER_BERT)
            t->bytes[id] = bytes_of_name(&v->arena, name);
        else
            t->bytes[id] = slice_starts(name, SLICE("##")) ? (Slice){name.data + 2, name.size - 2} : name;
    }
    for (size_t i = 0; i < v->n_added; i++) {
        t->special[v->added[i].id] = v->added[i].special;
        t->starts[(uint8_t)v->added[i].content.data[0]] = true;
    }
}

Tokenizer *tokenizer_open(const char *model_dir, Error *err)
{
    Tokenizer *t = xcalloc(1, sizeof *t);
    pthread_mutex_init(&t->lock, NULL);
    bool ok = vocab_read(&t->vocab, model_dir, err);
    if (ok && !find_ids(t, err))
        ok = error_prefix(err, "%s", model_dir);
    if (!ok) {
        tokenizer_free(t);
        return NULL;
    }
    find_bytes(t);
    if (t->vocab.kind != TOKENIZER_BERT && t->vocab.kind != TOKENIZER_UNIGRAM)
        t->bpe = bpe_new(&t->vocab);
    return t;
}

static const char *const kind_names[] = {[TOKENIZER_OPT] = "OPT's byte-level BPE",
                                         [TOKENIZER_CLIP] = "CLIP's BPE",
                                         [TOKENIZER_BERT] = "BERT's WordPiece",
                                         [TOKENIZER_BYTES] = "a byte-level BPE of another kind than OPT's",
                                         [TOKENIZER_SENTENCEPIECE] = "a SentencePiece BPE",
                                         [TOKENIZER_UNIGRAM] = "SigLIP's unigram model"};

/* Takes a tokenizer that is of another kind than expected. */
static Tokenizer *refuse(Tokenizer *t, const char *model_dir, const char *expected, Error *err)
{
    error_set_status(err, STATUS_MISMATCH, "%s: its tokenizer is %s, expected %s", model_dir, kind_names[t->vocab.kind],
                     expected);
    tokenizer_free(t);
    return NULL;
}

Tokenizer *tokenizer_open_kind(const char *model_dir, TokenizerKind kind, Error *err)
{
    Tokenizer *t = tokenizer_open(model_dir, err);
    return !t || t->vocab.kind == kind ? t : refuse(t, model_dir, kind_names[kind], err);
}

Tokenizer *tokenizer_open_language(const char *model_dir, Error *err)
{
    Tokenizer *t = tokenizer_open(model_dir, err);
    bool language = t && t->vocab.kind != TOKENIZER_CLIP && t->vocab.kind != TOKENIZER_BERT && t->vocab.kind != TOKENIZER_UNIGRAM;
    return !t || language ? t : refuse(t, model_dir, "a language model's", err);
}

Tokenizer *tokenizer_open_siglip(const char *model_dir, Error *err)
{
    Tokenizer *t = tokenizer_open(model_dir, err);
    bool siglip = t && (t->vocab.kind == TOKENIZER_UNIGRAM || t->vocab.kind == TOKENIZER_SENTENCEPIECE);
    return !t || siglip ? t : refuse(t, model_dir, "SigLIP's unigram model or a SentencePiece BPE", err);
}

void tokenizer_free(Tokenizer *t)
{
    if (!t)
        return;
    vocab_release(&t->vocab);
    bpe_free(t->bpe);
    chars_release(&t->input);
    chars_release(&t->stretch);
    chars_release(&t->scratch);
    token_list_release(&t->list);
    free(t->at);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

TokenizerKind tokenizer_kind(const Tokenizer *t)
{
    return t->vocab.kind;
}

int32_t tokenizer_size(const Tokenizer *t)
{
    return t->vocab.size;
}

size_t tokenizer_memory(const Tokenizer *t)
{
    return bpe_memory(t->bpe);
}

bool tokenizer_same(const Tokenizer *a, const Tokenizer *b)
{
    return vocab_same(&a->vocab, &b->vocab) && a->ids.bos == b->ids.bos && a->ids.eos == b->ids.eos;
}

size_t tokenizer_limit(const Tokenizer *t)
{
    static const size_t limits[] = {[TOKENIZER_CLIP] = 77, [TOKENIZER_BERT] = 32, [TOKENIZER_UNIGRAM] = 64};
    return limits[t->vocab.kind];
}

uint64_t tokenizer_digest(const Tokenizer *t)
{
    return vocab_digest(&t->vocab);
}

TokenizerIds tokenizer_ids(const Tokenizer *t)
{
    return t->ids;
}

int32_t tokenizer_id(const Tokenizer *t, Slice piece)
{
    return vocab_find(&t->vocab, piece);
}

Slice tokenizer_piece(const Tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->vocab.size ? t->vocab.names[id] : (Slice){0};
}

bool tokenizer_is_special(const Tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->vocab.size && t->special[id];
}

/* The text as code points, and where each begins. */
static bool read_text(Tokenizer *t, Slice text, Error *err)
{
    if (text.size >= UINT32_MAX / 8)
        return error_set(err, "a text of %zu bytes; at most %u can be tokenized at once", text.size, UINT32_MAX / 8);
    t->input.n = 0;
    t->at = array_reserve(t->at, &t->at_capacity, text.size + 1, sizeof *t->at);
    const char *end = text.data + text.size;
    int size;
    bool valid = true;
    for (const char *p = text.data; p < end; p += size) {
        t->at[t->input.n] = (uint32_t)(p - text.data);
        uint32_t code = utf8_decode(p, end, &size, &valid);
        if (!valid)
            return error_set(err, "invalid UTF-8 at byte %zu of the text", (size_t)(p - text.data));
        chars_push(&t->input, code, (uint32_t)t->input.n);
    }
    t->at[t->input.n] = (uint32_t)text.size;
    return true;
}

/* The next piece that BPE is given; SentencePiece's gets the whole. */
static bool next_piece(TextRange *piece, const Vocab *v, const Chars *s, size_t *at, size_t *closing)
{
    if (v->kind == TOKENIZER_CLIP)
        return split_clip(piece, s, at, closing);
    if (v->kind == TOKENIZER_SENTENCEPIECE) {
        *piece = (TextRange){*at, s->n};
        *at = s->n;
        return piece->start < piece->end;
    }
    return v->split == SPLIT_GPT2     ? split_opt(piece, s, at)
           : v->split == SPLIT_DIGITS ? split_digits(piece, s, at)
                                      : split_llama(piece, s, at, v->split == SPLIT_LLAMA3 ? 3 : 1);
}

/* SigLIP's way: steps, U+2581 for spaces, and a piece from each of these to the next. */
static void encode_unigram(Tokenizer *t, Chars *s)
{
    size_t end;
    normalize_steps(s, &t->scratch, &t->vocab);
    normalize_sentencepiece(s, &t->scratch, &t->vocab, false);
    for (size_t at = 0; at < s->n; at = end) {
        for (end = at + 1; end < s->n && s->code[end] != SPACE_MARK;)
            end++;
        unigram_encode(&t->list, &t->vocab, s, (TextRange){at, end}, t->ids.unknown, t->longest);
    }
}

/* Characters [start, end) as a text of its own. */
static void encode_stretch(Tokenizer *t, size_t start, size_t end)
{
    const Vocab *v = &t->vocab;
    Chars *s = &t->stretch;
    size_t at = 0, closing = 0;
    TextRange piece;
    s->n = 0;
    for (size_t i = start; i < end; i++)
        chars_push(s, t->input.code[i], (uint32_t)i);
    if (v->kind == TOKENIZER_BERT) {
        normalize_bert(s, &t->scratch, v->cased);
        wordpiece_encode(&t->list, v, s, t->ids.unknown, t->longest);
        return;
    }
    if (v->kind == TOKENIZER_UNIGRAM) {
        encode_unigram(t, s);
        return;
    }
    if (v->kind == TOKENIZER_CLIP)
        normalize_clip(s, &t->scratch);
    else if (v->kind == TOKENIZER_SENTENCEPIECE) {
        normalize_steps(s, &t->scratch, v);
        normalize_sentencepiece(s, &t->scratch, v, start == 0);
    } else if (v->composed)
        chars_nfc(s, &t->scratch);
    while (next_piece(&piece, v, s, &at, &closing))
        bpe_encode(t->bpe, &t->list, v, s, piece);
}

/* The longest added token at character i, or NULL; literally, special ones are none. */
static const AddedToken *added_at(const Tokenizer *t, Slice text, size_t i, bool literal)
{
    const AddedToken *best = NULL;
    Slice rest = {text.data + t->at[i], text.size - t->at[i]};
    if (!t->starts[(uint8_t)rest.data[0]])
        return NULL;
    for (size_t k = 0; k < t->vocab.n_added; k++) {
        const AddedToken *a = &t->vocab.added[k];
        if (!(literal && a->special) && slice_starts(rest, a->content) && (!best || a->content.size > best->content.size))
            best = a;
    }
    return best;
}

static bool is_space(const Tokenizer *t, size_t i)
{
    return unicode_flags(t->input.code[i]) & UNICODE_SPACE;
}

/* Cuts out the added tokens; what lies between is encoded stretch by stretch. */
static void encode_all(Tokenizer *t, Slice text, bool literal)
{
    size_t from = 0, i = 0, n = t->input.n;
    t->list.n = 0;
    while (i < n) {
        const AddedToken *a = added_at(t, text, i, literal);
        if (!a) {
            i++;
            continue;
        }
        size_t first = i, stop = t->at[i] + a->content.size;
        while (i < n && t->at[i] < stop)
            i++;
        while (a->lstrip && first > from && is_space(t, first - 1))
            first--;
        while (a->rstrip && i < n && is_space(t, i))
            i++;
        encode_stretch(t, from, first);
        token_list_push(&t->list, a->id, first, i - 1);
        from = i;
    }
    encode_stretch(t, from, n);
}

/* The list with special ids around it and cut to the limit, as arrays in the arena. */
static bool finish(Tokens *out, Arena *arena, Tokenizer *t, bool special, size_t limit, Error *err)
{
    const TokenizerKind kind = t->vocab.kind;
    const bool closes = kind == TOKENIZER_CLIP || kind == TOKENIZER_BERT || kind == TOKENIZER_UNIGRAM || t->vocab.closed;
    size_t front = special && t->ids.bos >= 0 && !t->vocab.unopened, back = special && closes, n = t->list.n;
    if (limit && limit < front + back)
        return error_set(err, "a limit of %zu ids, expected at least %zu", limit, front + back);
    if (limit && n > limit - front - back)
        n = limit - front - back;
    out->count = front + n + back;
    out->ids = arena_alloc(arena, out->count * sizeof *out->ids + 1);
    out->bytes = arena_calloc(arena, out->count + 1, sizeof *out->bytes);
    out->chars = arena_calloc(arena, out->count + 1, sizeof *out->chars);
    if (front)
        out->ids[0] = t->ids.bos;
    if (back)
        out->ids[front + n] = t->ids.eos;
    for (size_t i = 0; i < n; i++) {
        TextRange c = t->list.chars[i];
        out->ids[front + i] = t->list.ids[i];
        out->chars[front + i] = c;
        out->bytes[front + i] = (TextRange){t->at[c.start], t->at[c.end]};
    }
    return true;
}

bool tokenizer_encode(Tokens *out, Arena *arena, const Tokenizer *shared, Slice text, int flags, size_t limit, Error *err)
{
    Tokenizer *t = (Tokenizer *)shared; /* only the cache and the scratch change, under the lock */
    *out = (Tokens){0};
    pthread_mutex_lock(&t->lock);
    bool ok = read_text(t, text, err);
    if (ok)
        encode_all(t, text, flags & ENCODE_LITERAL);
    ok = ok && finish(out, arena, t, flags & ENCODE_SPECIAL, limit, err);
    pthread_mutex_unlock(&t->lock);
    return ok;
}
