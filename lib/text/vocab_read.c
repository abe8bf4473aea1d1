/*
 * Vocabularies from the files of a model folder: tokenizer.json, or vocab.json + merges.txt, or vocab.txt, or SentencePiece's.
 *
 * The settings beside them (tokenizer_config.json, special_tokens_map.json, added_tokens.json, config.json) say which tokens are
 * cut out of raw text. A folder with nothing but a published vocabulary gets the tokens that the published checkpoints add.
 */
#include "text/vocab.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* *path: of a file of the folder if it is there, else NULL; the caller frees it. False where that cannot be told. */
static bool file_of(char **path, const char *folder, const char *name, Error *err)
{
    bool there, ok;
    *path = path_join(folder, name);
    ok = path_exists(*path, &there, err);
    if (!ok || !there) {
        free(*path);
        *path = NULL;
    }
    return ok;
}

static Slice slice_of_json(const json_t *s)
{
    return (Slice){json_string_value(s), json_string_length(s)};
}

/* Parses a file into *out, with these flags of jansson's too; true with *out NULL if there is no such file. */
static bool json_read(json_t **out, const char *folder, const char *name, size_t flags, Error *err)
{
    json_error_t why;
    size_t size;
    char *path;
    *out = NULL;
    if (!file_of(&path, folder, name, err))
        return false;
    if (!path)
        return true;
    char *text = file_read(path, &size, err);
    if (text && !(*out = json_loadb(text, size, JSON_ALLOW_NUL | flags, &why)))
        error_set(err, "%s:%d: %s", path, why.line, why.text);
    if (*out && !json_is_object(*out)) {
        error_set(err, "%s: expected a JSON object", path);
        json_decref(*out);
        *out = NULL;
    }
    free(text);
    free(path);
    return *out != NULL;
}

/* {"name": id, ...} */
static bool names_from_json(Vocab *v, json_t *names, Error *err)
{
    const char *key;
    json_t *id;
    if (!json_is_object(names) || json_object_size(names) == 0)
        return error_set(err, "the vocabulary is not an object of names and ids");
    for (void *i = json_object_iter(names); i; i = json_object_iter_next(names, i)) {
        key = json_object_iter_key(i);
        id = json_object_iter_value(i);
        json_int_t n = json_integer_value(id);
        if (!json_is_integer(id) || n < 0 || n > INT32_MAX)
            return error_set(err, "the id of \"%s\" is not a number from 0 on", key);
        if (!vocab_add(v, (Slice){key, json_object_iter_key_len(i)}, (int32_t)n, err))
            return false;
    }
    return true;
}

/* Cuts "left right" at its only space. */
static bool merge_from_text(Vocab *v, Slice line, uint32_t rank, Error *err)
{
    const char *space = memchr(line.data, ' ', line.size);
    size_t left = space ? (size_t)(space - line.data) : 0;
    if (!space || left == 0 || left + 1 == line.size || memchr(space + 1, ' ', line.size - left - 1))
        return error_set(err, "\"%.*s\", expected two pieces and one space between", (int)line.size, line.data);
    return vocab_merge_add(v, (Slice){line.data, left}, (Slice){space + 1, line.size - left - 1}, rank, err);
}

/* "a b" or ["a", "b"] */
static bool merges_from_json(Vocab *v, const json_t *merges, Error *err)
{
    size_t i, n = json_array_size(merges);
    json_t *m;
    if (!json_is_array(merges))
        return error_set(err, "model.merges is not an array");
    vocab_merges_init(v, n);
    json_array_foreach (merges, i, m) {
        json_t *left = json_array_get(m, 0), *right = json_array_get(m, 1);
        bool pair = json_array_size(m) == 2 && json_is_string(left) && json_is_string(right);
        if (!pair && !json_is_string(m))
            return error_set(err, "model.merges[%zu] is neither a string nor a pair of strings", i);
        if (!(pair ? vocab_merge_add(v, slice_of_json(left), slice_of_json(right), (uint32_t)i, err)
                   : merge_from_text(v, slice_of_json(m), (uint32_t)i, err)))
            return error_prefix(err, "model.merges[%zu]", i);
    }
    return true;
}

static Slice next_line(const char **at, const char *end)
{
    const char *start = *at, *stop = memchr(start, '\n', (size_t)(end - start));
    *at = stop ? stop + 1 : end;
    stop = stop ? stop : end;
    if (stop > start && stop[-1] == '\r')
        stop--;
    return (Slice){start, (size_t)(stop - start)};
}

static bool read_merges(Vocab *v, const char *path, Error *err)
{
    size_t size, lines = 0;
    char *text = file_read(path, &size, err);
    bool ok = text != NULL;
    for (size_t i = 0; ok && i < size; i++)
        lines += text[i] == '\n';
    vocab_merges_init(v, lines + 1);
    const char *at = text, *end = text + (text ? size : 0);
    for (uint32_t line = 1; ok && at < end; line++) {
        Slice s = next_line(&at, end);
        if (s.size == 0 || slice_starts(s, SLICE("#version")))
            continue;
        if (!(ok = merge_from_text(v, s, line, err)))
            error_prefix(err, "%s:%u", path, line);
    }
    free(text);
    return ok;
}

static bool read_bpe(Vocab *v, const char *folder, const char *merges_path, Error *err)
{
    json_t *names;
    if (!json_read(&names, folder, "vocab.json", 0, err))
        return false;
    bool ok = names_from_json(v, names, err) || error_prefix(err, "%s/vocab.json", folder);
    json_decref(names);
    return ok && read_merges(v, merges_path, err);
}

static bool read_wordpiece(Vocab *v, const char *path, Error *err)
{
    size_t size;
    char *text = file_read(path, &size, err);
    bool ok = text != NULL;
    const char *at = text, *end = text + (text ? size : 0);
    for (int32_t id = 0; ok && at < end; id++)
        ok = vocab_add(v, next_line(&at, end), id, err);
    if (ok && v->size == 0)
        ok = error_set(err, "%s is empty", path);
    free(text);
    return ok;
}

static bool added_from_array(Vocab *v, const json_t *tokens, Error *err)
{
    size_t i;
    json_t *t;
    json_array_foreach (tokens, i, t) {
        json_t *content = json_object_get(t, "content"), *id = json_object_get(t, "id");
        if (!json_is_string(content) || !json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > INT32_MAX)
            return error_set(err, "added_tokens[%zu] has no content or no id", i);
        AddedToken a = {slice_of_json(content), (int32_t)json_integer_value(id), json_is_true(json_object_get(t, "special")),
                        json_is_true(json_object_get(t, "lstrip")), json_is_true(json_object_get(t, "rstrip"))};
        if (!vocab_added_add(v, a, err))
            return false;
    }
    return true;
}

static bool model_from_json(Vocab *v, const json_t *root, Error *err)
{
    json_t *model = json_object_get(root, "model"), *lower = json_object_get(json_object_get(root, "normalizer"), "lowercase");
    const char *type = json_string_value(json_object_get(model, "type"));
    bool has_merges = json_object_get(model, "merges") != NULL;
    if (type && strcmp(type, "BPE") && strcmp(type, "WordPiece") && strcmp(type, "Unigram"))
        return error_set(err, "model.type is \"%s\", expected BPE, WordPiece or Unigram", type);
    if (type && strcmp(type, "Unigram") == 0)
        return vocab_unigram_read(v, root, err) && added_from_array(v, json_object_get(root, "added_tokens"), err);
    if (!names_from_json(v, json_object_get(model, "vocab"), err))
        return error_prefix(err, "model.vocab");
    v->cased = json_is_false(lower);
    v->kind = TOKENIZER_BERT;
    if (type ? strcmp(type, "BPE") == 0 : has_merges)
        if (!vocab_kind_read(v, root, err) || !merges_from_json(v, json_object_get(model, "merges"), err))
            return false;
    json_t *unknown = json_object_get(model, "unk_token");
    int32_t id = json_is_string(unknown) ? vocab_find(v, slice_of_json(unknown)) : -1;
    v->unknown = id >= 0 ? v->names[id] : (Slice){0};
    return added_from_array(v, json_object_get(root, "added_tokens"), err);
}

static bool read_tokenizer_json(Vocab *v, const char *folder, Error *err)
{
    json_t *root;
    if (!json_read(&root, folder, "tokenizer.json", 0, err))
        return false;
    bool ok = model_from_json(v, root, err) || error_prefix(err, "%s/tokenizer.json", folder);
    json_decref(root);
    return ok;
}

/* "bos_token": "</s>" or {"content": "</s>", ..}, wherever it stands. */
static bool specials_from_object(Vocab *v, const json_t *object, Error *err)
{
    static const char *const roles[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                        "pad_token", "cls_token", "mask_token"};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        json_t *t = json_object_get(object, roles[i]);
        json_t *content = json_is_object(t) ? json_object_get(t, "content") : t;
        AddedToken a = {slice_of_json(content), -1, true, json_is_true(json_object_get(t, "lstrip")),
                        json_is_true(json_object_get(t, "rstrip"))};
        if (json_is_string(content) && !vocab_added_add(v, a, err))
            return false;
        Slice *role = i == 0 ? &v->bos : i == 1 ? &v->eos : i == 4 ? &v->pad : NULL; /* what begins, ends and fills a text */
        if (json_is_string(content) && role)
            *role = (Slice){arena_strndup(&v->arena, a.content.data, a.content.size), a.content.size};
    }
    return true;
}

/* {"50265": {"content": "<image>", "special": true, ..}, ..} */
static bool added_from_decoder(Vocab *v, json_t *decoder, Error *err)
{
    const char *key;
    json_t *t;
    json_object_foreach (decoder, key, t) {
        char *end;
        long id = strtol(key, &end, 10);
        json_t *content = json_object_get(t, "content");
        if (*end || end == key || id < 0 || id > INT32_MAX || !json_is_string(content))
            return error_set(err, "added_tokens_decoder[\"%s\"] is not a token with an id", key);
        AddedToken a = {slice_of_json(content), (int32_t)id, json_is_true(json_object_get(t, "special")),
                        json_is_true(json_object_get(t, "lstrip")), json_is_true(json_object_get(t, "rstrip"))};
        if (!vocab_added_add(v, a, err))
            return false;
    }
    return true;
}

/* {"[DEC]": 30522} */
static bool added_from_names(Vocab *v, json_t *names, Error *err)
{
    const char *key;
    json_t *id;
    json_object_foreach (names, key, id) {
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > INT32_MAX)
            return error_set(err, "the id of \"%s\" is not a number from 0 on", key);
        if (!vocab_added_add(v, (AddedToken){slice_of(key), (int32_t)json_integer_value(id), true, false, false}, err))
            return false;
    }
    return true;
}

/* What tokenizer_config.json says of the ends of a text, for a SentencePiece BPE; SigLIP 2 was trained on lower case. */
static void read_ends(Vocab *v, const json_t *config, const json_t *model)
{
    const char *type = json_string_value(json_object_get(model, "model_type"));
    const char *class = json_string_value(json_object_get(config, "tokenizer_class"));
    if (v->kind != TOKENIZER_SENTENCEPIECE)
        return;
    v->unopened = json_is_false(json_object_get(config, "add_bos_token"));
    v->closed = json_is_true(json_object_get(config, "add_eos_token"));
    if (v->n_steps == 0 && ((type && strcmp(type, "siglip") == 0) || (class && strcmp(class, "Siglip2Tokenizer") == 0)))
        v->steps[v->n_steps++] = NORMAL_LOWER;
}

/* Unigram models of other families (T5, ALBERT, ..) prepare texts otherwise. */
static bool class_fits(const Vocab *v, const json_t *config, const char *folder, Error *err)
{
    const char *class = json_string_value(json_object_get(config, "tokenizer_class"));
    if (v->kind != TOKENIZER_UNIGRAM || !class || strncmp(class, "SiglipTokenizer", 15) == 0)
        return true;
    return error_set(err, "%s/tokenizer_config.json: tokenizer_class is \"%.64s\", expected SiglipTokenizer for a unigram model",
                     folder, class);
}

/*
 * What the settings files add, the defaults of the kind, and for a bare published vocabulary what its checkpoint adds.
 * tokenizer_config.json's numbers are read as reals: no limit is int(1e30) there, 1000000000000000019884624838656.
 */
static bool read_settings(Vocab *v, const char *folder, bool from_json, Error *err)
{
    json_t *config = NULL, *map = NULL, *added = NULL, *model = NULL;
    bool ok = json_read(&config, folder, "tokenizer_config.json", JSON_DECODE_INT_AS_REAL, err) &&
              json_read(&map, folder, "special_tokens_map.json", 0, err) &&
              json_read(&added, folder, "added_tokens.json", 0, err) && json_read(&model, folder, "config.json", 0, err);
    ok = ok && (added_from_decoder(v, json_object_get(config, "added_tokens_decoder"), err) ||
                error_prefix(err, "%s/tokenizer_config.json", folder));
    ok = ok && specials_from_object(v, config, err) && specials_from_object(v, map, err);
    ok = ok && (added_from_names(v, added, err) || error_prefix(err, "%s/added_tokens.json", folder));
    ok = ok && (from_json || class_fits(v, config, folder, err));
    read_ends(v, config, model);
    if (v->kind == TOKENIZER_BERT && json_object_get(config, "do_lower_case"))
        v->cased = json_is_false(json_object_get(config, "do_lower_case"));
    json_t *image = json_object_get(model, "image_token_index");
    image = image ? image : json_object_get(model, "image_token_id");
    v->image = json_is_integer(image) ? (int32_t)json_integer_value(image) : -1;
    v->bare = !config && !map && !added && !model;
    json_decref(config);
    json_decref(map);
    json_decref(added);
    json_decref(model);
    return ok;
}

static bool add_defaults(Vocab *v, bool from_json, Error *err)
{
    static const char *const defaults[][6] = {[TOKENIZER_OPT] = {"<pad>", "</s>"},
                                              [TOKENIZER_BYTES] = {NULL},
                                              [TOKENIZER_SENTENCEPIECE] = {"<unk>", "<s>", "</s>"},
                                              [TOKENIZER_UNIGRAM] = {"<unk>", "</s>"},
                                              [TOKENIZER_CLIP] = {"<|startoftext|>", "<|endoftext|>"},
                                              [TOKENIZER_BERT] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}};
    bool ok = true;
    for (int i = 0; ok && i < 6 && defaults[v->kind][i]; i++)
        ok = vocab_added_add(v, (AddedToken){slice_of(defaults[v->kind][i]), -1, true, false, false}, err);
    if (v->kind == TOKENIZER_CLIP && !from_json)
        v->unknown = SLICE("<|endoftext|>");
    if (!v->bare || from_json)
        return ok;
    if (v->kind == TOKENIZER_OPT && v->size == 50265)
        ok = ok && vocab_added_add(v, (AddedToken){SLICE("<image>"), 50265, true, false, false}, err);
    if (v->kind == TOKENIZER_BERT && v->size == 30522)
        ok = ok && vocab_added_add(v, (AddedToken){SLICE("[DEC]"), 30522, true, false, false}, err) &&
             vocab_added_add(v, (AddedToken){SLICE("<image>"), 30523, true, false, false}, err);
    return ok;
}

/* The files of a model folder that hold a vocabulary: paths, each NULL where it is not there. */
typedef struct VocabFiles {
    char *whole, *names, *merges, *words, *pieces;
} VocabFiles;

static bool read_vocabulary(Vocab *v, const VocabFiles *files, const char *folder, Error *err)
{
    if (files->whole)
        return read_tokenizer_json(v, folder, err);
    if (files->names && files->merges) {
        json_t *nothing = json_object(); /* two files say nothing of how a text is prepared */
        bool ok = read_bpe(v, folder, files->merges, err) && vocab_kind_read(v, nothing, err);
        json_decref(nothing);
        return ok;
    }
    if (files->pieces)
        return vocab_sentencepiece_read(v, files->pieces, err);
    v->kind = TOKENIZER_BERT;
    if (files->words)
        return read_wordpiece(v, files->words, err);
    return error_set(
        err,
        "%s: no tokenizer: expected tokenizer.json, or vocab.json and merges.txt, or vocab.txt, or tokenizer.model, or spiece.model",
        folder);
}

bool vocab_read(Vocab *v, const char *folder, Error *err)
{
    VocabFiles f = {0};
    *v = (Vocab){.image = -1};
    bool ok = file_of(&f.whole, folder, "tokenizer.json", err) && file_of(&f.names, folder, "vocab.json", err) &&
              file_of(&f.merges, folder, "merges.txt", err) && file_of(&f.words, folder, "vocab.txt", err) &&
              file_of(&f.pieces, folder, "tokenizer.model", err) &&
              (f.pieces || file_of(&f.pieces, folder, "spiece.model", err)) && read_vocabulary(v, &f, folder, err) &&
              read_settings(v, folder, f.whole != NULL, err) && add_defaults(v, f.whole != NULL, err);
    free(f.whole);
    free(f.names);
    free(f.merges);
    free(f.words);
    free(f.pieces);
    return ok;
}
