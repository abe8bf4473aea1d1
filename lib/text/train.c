/*
 * Byte pair encoding learnt from counts (Sennrich et al. 2016): the pair of symbols that stands most often side by side in the
 * words of the text becomes a symbol, again and again; of equals the one with the smaller ids. Words are what the tokenizers
 * split.
 */
#include "text/train.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/pieces.h"
#include "text/train_json.h"
#include "text/train_words.h"

#define MERGES_FIRST "#version: 0.2\n" /* line of merges.txt */

typedef struct Pair {
    int32_t left, right;
    uint64_t count; /* 0: empty slot */
} Pair;

typedef struct Trainer {
    Vocab out;         /* names of the vocabulary so far */
    int32_t **symbols; /* owned: [words], each owned: the word as ids */
    size_t *sizes;     /* owned: [words] */
    Pair *pairs;       /* owned: hash table of the pairs of this round */
    size_t mask, n_pairs;
    char *merges; /* owned: merges.txt so far */
    size_t merges_size, merges_capacity;
} Trainer;

static int32_t name_add(Vocab *v, Slice name)
{
    Error err = {0};
    if (!vocab_add(v, name, v->size, &err))
        bug("%s", err.text);
    return v->size - 1;
}

/* What a kind's vocabulary begins and ends with. */
static const struct {
    const char *first[5], *last[5]; /* special ids */
    bool characters;                /* of the text, beside the bytes, which stand for all others */
} layouts[] = {
    [TOKENIZER_OPT] = {.first = {"<s>", "<pad>", "</s>", "<unk>"}},
    [TOKENIZER_CLIP] = {.last = {"<|startoftext|>", "<|endoftext|>"}},
    [TOKENIZER_BYTES] = {.first = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"},
                         .last = {"<global-img>", "<fake_token_around_image>", "<image>", "<end_of_utterance>"}},
    [TOKENIZER_SENTENCEPIECE] = {.first = {"<unk>", "<s>", "</s>"}, .characters = true},
};

static size_t byte_name(char out[8], uint8_t byte, bool last)
{
    size_t n = (size_t)utf8_encode(out, character_of_byte(byte));
    if (last)
        memcpy(out + n, "</w>", 4);
    return n + (last ? 4 : 0);
}

/* Character `at` of a word, of `*size` bytes, as a row: its name, in `buffer` if it is not the word's own. */
static Slice symbol_at(char buffer[8], int *size, Slice word, size_t at, TokenizerKind kind)
{
    bool valid;
    *size = 1;
    if (!layouts[kind].characters)
        return (Slice){buffer, byte_name(buffer, (uint8_t)word.data[at], kind == TOKENIZER_CLIP && at + 1 == word.size)};
    utf8_decode(word.data + at, word.data + word.size, size, &valid);
    return (Slice){word.data + at, (size_t)*size};
}

static void add_bytes(Vocab *v, TokenizerKind kind)
{
    char name[8];
    for (int last = 0; last <= (kind == TOKENIZER_CLIP); last++)
        for (int b = 0; b < 256; b++) {
            size_t n = layouts[kind].characters ? (size_t)sprintf(name, "<0x%02X>", b) : byte_name(name, (uint8_t)b, last);
            name_add(v, (Slice){name, n});
        }
}

/* The ids that every vocabulary of the kind begins with, and those of the characters of this text. */
static void add_alphabet(Vocab *v, TokenizerKind kind, const TrainWords *words)
{
    char buffer[8];
    int size;
    for (const char *const *first = layouts[kind].first; *first; first++)
        name_add(v, slice_of(*first));
    add_bytes(v, kind);
    for (size_t w = 0; w < words->n && layouts[kind].characters; w++)
        for (size_t at = 0; at < words->items[w].text.size; at += (size_t)size) {
            Slice name = symbol_at(buffer, &size, words->items[w].text, at, kind);
            if (vocab_find(v, name) < 0)
                name_add(v, name);
        }
}

static void spell_words(Trainer *t, const TrainWords *words, TokenizerKind kind)
{
    char buffer[8];
    int size;
    t->symbols = xcalloc(words->n + 1, sizeof *t->symbols);
    t->sizes = xcalloc(words->n + 1, sizeof *t->sizes);
    for (size_t w = 0; w < words->n; w++) {
        Slice word = words->items[w].text;
        t->symbols[w] = xmalloc(word.size * sizeof **t->symbols);
        for (size_t at = 0; at < word.size; at += (size_t)size)
            t->symbols[w][t->sizes[w]++] = vocab_find(&t->out, symbol_at(buffer, &size, word, at, kind));
    }
}

static Pair *pair_slot(Trainer *t, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;
    size_t i = (h >> 32) & t->mask;
    while (t->pairs[i].count && (t->pairs[i].left != left || t->pairs[i].right != right))
        i = (i + 1) & t->mask;
    return &t->pairs[i];
}

static void pairs_grow(Trainer *t)
{
    Pair *old = t->pairs;
    size_t slots = old ? t->mask + 1 : 0;
    t->mask = slots ? 2 * slots - 1 : 1023;
    t->pairs = xcalloc(t->mask + 1, sizeof *t->pairs);
    for (size_t i = 0; i < slots; i++)
        if (old[i].count)
            *pair_slot(t, old[i].left, old[i].right) = old[i];
    free(old);
}

static void count_pairs(Trainer *t, const TrainWords *words)
{
    memset(t->pairs, 0, (t->mask + 1) * sizeof *t->pairs);
    t->n_pairs = 0;
    for (size_t w = 0; w < words->n; w++)
        for (size_t i = 0; i + 1 < t->sizes[w]; i++) {
            if (2 * t->n_pairs > t->mask)
                pairs_grow(t);
            Pair *p = pair_slot(t, t->symbols[w][i], t->symbols[w][i + 1]);
            t->n_pairs += p->count == 0;
            *p = (Pair){t->symbols[w][i], t->symbols[w][i + 1], p->count + words->items[w].count};
        }
}

/* The most frequent pair, of equals the one of smaller ids; count 0 if there is none. */
static Pair best_pair(const Trainer *t)
{
    Pair best = {0};
    for (size_t i = 0; i <= t->mask; i++) {
        const Pair *p = &t->pairs[i];
        bool smaller = p->left < best.left || (p->left == best.left && p->right < best.right);
        if (p->count > best.count || (p->count && p->count == best.count && smaller))
            best = *p;
    }
    return best;
}

static void merge_everywhere(Trainer *t, size_t n_words, const Pair *p, int32_t product)
{
    for (size_t w = 0; w < n_words; w++) {
        int32_t *s = t->symbols[w];
        size_t n = 0;
        for (size_t i = 0; i < t->sizes[w]; n++) {
            bool here = i + 1 < t->sizes[w] && s[i] == p->left && s[i + 1] == p->right;
            s[n] = here ? product : s[i];
            i += here ? 2 : 1;
        }
        t->sizes[w] = n;
    }
}

static void write_merge(Trainer *t, Slice left, Slice right)
{
    t->merges = array_reserve(t->merges, &t->merges_capacity, t->merges_size + left.size + right.size + 3, 1);
    t->merges_size +=
        (size_t)sprintf(t->merges + t->merges_size, "%.*s %.*s\n", (int)left.size, left.data, (int)right.size, right.data);
}

/* One more merge; false when no pair stands twice. */
static bool merge_best(Trainer *t, const TrainWords *words)
{
    count_pairs(t, words);
    Pair p = best_pair(t);
    if (p.count < 2)
        return false;
    Slice left = t->out.names[p.left], right = t->out.names[p.right];
    char *name = xasprintf("%.*s%.*s", (int)left.size, left.data, (int)right.size, right.data);
    int32_t product = vocab_find(&t->out, slice_of(name));
    write_merge(t, left, right);
    merge_everywhere(t, words->n, &p, product >= 0 ? product : name_add(&t->out, slice_of(name)));
    free(name);
    return true;
}

static bool write_vocabulary(const Trainer *t, const char *folder, Error *err)
{
    json_t *names = train_names_json(&t->out);
    char *text = json_dumps(names, JSON_COMPACT), *vocab = path_join(folder, "vocab.json"),
         *merges = path_join(folder, "merges.txt");
    bool ok = file_write(vocab, text, strlen(text), err) && file_write(merges, t->merges, t->merges_size, err);
    json_decref(names);
    free(text);
    free(vocab);
    free(merges);
    return ok;
}

static void trainer_release(Trainer *t, size_t n_words)
{
    for (size_t w = 0; w < n_words && t->symbols; w++)
        free(t->symbols[w]);
    free(t->symbols);
    free(t->sizes);
    free(t->pairs);
    free(t->merges);
    vocab_release(&t->out);
}

static bool train_bpe(const char *folder, TokenizerKind kind, const TrainWords *words, size_t size, Error *err)
{
    Trainer t = {0};
    size_t last = 0; /* special ids behind the merges */
    while (layouts[kind].last[last])
        last++;
    add_alphabet(&t.out, kind, words);
    bool ok = size >= (size_t)t.out.size + last ||
              error_set(err, "a vocabulary of %zu, expected at least %zu", size, (size_t)t.out.size + last);
    if (ok) {
        spell_words(&t, words, kind);
        pairs_grow(&t);
        t.merges = xstrdup(MERGES_FIRST);
        t.merges_size = t.merges_capacity = strlen(t.merges);
        while ((size_t)t.out.size + last < size && merge_best(&t, words))
            continue;
        for (size_t i = 0; i < last; i++)
            name_add(&t.out, slice_of(layouts[kind].last[i]));
        ok = kind == TOKENIZER_OPT || kind == TOKENIZER_CLIP
                 ? write_vocabulary(&t, folder, err)
                 : train_write_json(folder, kind, &t.out, t.merges + strlen(MERGES_FIRST), layouts[kind].first,
                                    layouts[kind].last, err);
    }
    trainer_release(&t, words->n);
    return ok;
}

/* What Hugging Face needs to know beside the vocabulary. */
static bool write_config(const char *folder, TokenizerKind kind, Error *err)
{
    static const char *const configs[] = {
        [TOKENIZER_OPT] = "{\"tokenizer_class\": \"GPT2Tokenizer\", \"add_prefix_space\": false, \"add_bos_token\": true, "
                          "\"bos_token\": \"</s>\", \"eos_token\": \"</s>\", \"pad_token\": \"<pad>\", \"unk_token\": \"</s>\", "
                          "\"clean_up_tokenization_spaces\": false}\n",
        [TOKENIZER_CLIP] =
            "{\"tokenizer_class\": \"CLIPTokenizer\", \"bos_token\": \"<|startoftext|>\", \"eos_token\": \"<|endoftext|>\", "
            "\"pad_token\": \"<|endoftext|>\", \"unk_token\": \"<|endoftext|>\", \"model_max_length\": 77, \"do_lower_case\": "
            "true}\n",
        [TOKENIZER_BYTES] =
            "{\"tokenizer_class\": \"GPT2Tokenizer\", \"add_prefix_space\": false, \"bos_token\": \"<|im_start|>\", \"eos_token\": "
            "\"<end_of_utterance>\", \"pad_token\": \"<|im_end|>\", \"unk_token\": \"<|endoftext|>\", \"end_of_utterance_token\": "
            "\"<end_of_utterance>\", \"fake_image_token\": \"<fake_token_around_image>\", \"global_image_token\": "
            "\"<global-img>\", \"image_token\": \"<image>\", \"clean_up_tokenization_spaces\": false, "
            "\"model_max_length\": 8192}\n",
        [TOKENIZER_SENTENCEPIECE] =
            ("{\"tokenizer_class\": \"LlamaTokenizer\", \"bos_token\": \"<s>\", \"eos_token\": \"</s>\", \"unk_token\": \"<unk>\", "
             "\"add_bos_token\": true, \"add_eos_token\": false, \"legacy\": false, \"clean_up_tokenization_spaces\": false}\n"),
        [TOKENIZER_BERT] = "{\"tokenizer_class\": \"BertTokenizer\", \"do_lower_case\": true, \"truncation_side\": \"right\"}\n"};
    char *path = path_join(folder, "tokenizer_config.json");
    bool ok = file_write(path, configs[kind], strlen(configs[kind]), err);
    free(path);
    return ok;
}

bool tokenizer_train(const char *folder, TokenizerKind kind, Slice text, size_t size, Error *err)
{
    TrainWords words = {0};
    if (kind == TOKENIZER_UNIGRAM)
        bug("unigram models are not made here");
    bool ok =
        train_words_collect(&words, kind, text, err) &&
        (kind == TOKENIZER_BERT ? train_wordpiece(folder, &words, size, err) : train_bpe(folder, kind, &words, size, err)) &&
        write_config(folder, kind, err);
    train_words_release(&words);
    return ok;
}
