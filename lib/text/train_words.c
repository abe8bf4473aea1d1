/* Counting words, and BERT's vocabulary made of them: characters first, so that no word of known characters is unknown. */
#include "text/train_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/pieces.h"

static bool word_add(TrainWords *w, const Chars *s, TextRange range, Error *err)
{
    char *text = xmalloc(4 * (range.end - range.start));
    size_t size = 0;
    for (size_t i = range.start; i < range.end; i++)
        size += (size_t)utf8_encode(text + size, s->code[i]);
    int32_t place = vocab_find(&w->index, (Slice){text, size});
    bool ok = true;
    if (place < 0) {
        place = (int32_t)w->n;
        ok = vocab_add(&w->index, (Slice){text, size}, place, err);
        w->items = array_reserve(w->items, &w->capacity, w->n + 1, sizeof *w->items);
        w->items[w->n++] = (TrainWord){ok ? w->index.names[place] : (Slice){0}, 0};
    }
    w->items[place].count++;
    free(text);
    return ok;
}

/* BERT's words: runs without white space, each punctuation by itself. */
static bool split_bert(TextRange *piece, const Chars *s, size_t *at)
{
    size_t i = *at;
    while (i < s->n && unicode_flags(s->code[i]) & UNICODE_SPACE)
        i++;
    if (i >= s->n)
        return false;
    size_t end = i + 1;
    if (!(unicode_flags(s->code[i]) & UNICODE_BERT_PUNCT))
        while (end < s->n && !(unicode_flags(s->code[end]) & (UNICODE_SPACE | UNICODE_BERT_PUNCT)))
            end++;
    *piece = (TextRange){i, end};
    *at = end;
    return true;
}

/* A word with the U+2581 before it, which rows of SentencePiece do not reach beyond. */
static bool split_sentencepiece(TextRange *piece, const Chars *s, size_t *at)
{
    size_t i = *at, end = i + 1;
    if (i >= s->n)
        return false;
    while (end < s->n && s->code[end] != SPACE_MARK)
        end++;
    *piece = (TextRange){i, end};
    *at = end;
    return true;
}

static bool next_piece(TextRange *piece, TokenizerKind kind, const Chars *s, size_t *at, size_t *closing)
{
    return kind == TOKENIZER_OPT             ? split_opt(piece, s, at)
           : kind == TOKENIZER_BYTES         ? split_digits(piece, s, at)
           : kind == TOKENIZER_CLIP          ? split_clip(piece, s, at, closing)
           : kind == TOKENIZER_SENTENCEPIECE ? split_sentencepiece(piece, s, at)
                                             : split_bert(piece, s, at);
}

static void normalize(Chars *s, Chars *scratch, TokenizerKind kind)
{
    static const Vocab sentencepiece = {.front = FRONT_ALWAYS};
    if (kind == TOKENIZER_CLIP)
        normalize_clip(s, scratch);
    else if (kind == TOKENIZER_BERT)
        normalize_bert(s, scratch, false);
    else if (kind == TOKENIZER_SENTENCEPIECE)
        normalize_sentencepiece(s, scratch, &sentencepiece, true);
}

bool train_words_collect(TrainWords *w, TokenizerKind kind, Slice text, Error *err)
{
    Chars line = {0}, scratch = {0};
    const char *p = text.data, *end = p + text.size;
    bool ok = true, valid;
    int size;
    for (size_t number = 1; ok && p < end; number++) {
        for (line.n = 0; ok && p < end && (line.n == 0 || p[-1] != '\n'); p += size) {
            chars_push(&line, utf8_decode(p, end, &size, &valid), 0);
            ok = valid || error_set(err, "line %zu of the text: invalid UTF-8", number);
        }
        if (kind != TOKENIZER_OPT && line.n > 0 && line.code[line.n - 1] == '\n')
            line.n--;
        normalize(&line, &scratch, kind);
        size_t at = 0, closing = 0;
        TextRange piece;
        while (ok && next_piece(&piece, kind, &line, &at, &closing))
            ok = word_add(w, &line, piece, err);
    }
    chars_release(&line);
    chars_release(&scratch);
    return ok;
}

void train_words_release(TrainWords *w)
{
    free(w->items);
    vocab_release(&w->index);
}

static int compare_words(const void *a, const void *b)
{
    const TrainWord *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    size_t n = x->text.size < y->text.size ? x->text.size : y->text.size;
    int order = memcmp(x->text.data, y->text.data, n);
    return order ? order : (x->text.size > y->text.size) - (x->text.size < y->text.size);
}

/* Adds a name that is not there yet. */
static bool name_add(Vocab *v, const char *prefix, Slice s, Error *err)
{
    char *name = xasprintf("%s%.*s", prefix, (int)s.size, s.data);
    bool ok = vocab_find(v, slice_of(name)) >= 0 || vocab_add(v, slice_of(name), v->size, err);
    free(name);
    return ok;
}

static bool add_characters(Vocab *v, const TrainWord *words, size_t n, const char *prefix, Error *err)
{
    int size;
    bool valid, ok = true;
    for (size_t w = 0; w < n; w++)
        for (const char *p = words[w].text.data, *end = p + words[w].text.size; ok && p < end; p += size) {
            utf8_decode(p, end, &size, &valid);
            ok = name_add(v, prefix, (Slice){p, (size_t)size}, err);
        }
    return ok;
}

static bool write_names(const Vocab *v, const char *folder, Error *err)
{
    AtomicFile f;
    char *path = path_join(folder, "vocab.txt");
    bool ok = atomic_open(&f, path, err);
    for (int32_t id = 0; ok && id < v->size; id++)
        fprintf(f.stream, "%.*s\n", (int)v->names[id].size, v->names[id].data);
    ok = ok && atomic_commit(&f, err);
    free(path);
    return ok;
}

bool train_wordpiece(const char *folder, const TrainWords *words, size_t size, Error *err)
{
    static const char *const first[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    Vocab v = {0};
    TrainWord *sorted = xcalloc(words->n + 1, sizeof *sorted);
    bool ok = true;
    if (words->n)
        memcpy(sorted, words->items, words->n * sizeof *sorted);
    qsort(sorted, words->n, sizeof *sorted, compare_words);
    for (size_t i = 0; ok && i < sizeof first / sizeof *first; i++)
        ok = vocab_add(&v, slice_of(first[i]), (int32_t)i, err);
    ok = ok && add_characters(&v, sorted, words->n, "", err) && add_characters(&v, sorted, words->n, "##", err);
    if (ok && size < (size_t)v.size)
        ok = error_set(err, "a vocabulary of %zu, expected at least %d: special ids and characters of the text", size, v.size);
    for (size_t w = 0; ok && w < words->n && (size_t)v.size < size; w++)
        ok = name_add(&v, "", sorted[w].text, err);
    ok = ok && write_names(&v, folder, err);
    free(sorted);
    vocab_release(&v);
    return ok;
}
