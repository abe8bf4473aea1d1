/* tokenizer.json as SmolVLM and LLaMa-2 publish it: around vocabulary and merges, how a text is cut, begun and put together. */
#include "text/train_json.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_file.h"

json_t *train_names_json(const Vocab *v)
{
    json_t *names = json_object();
    for (int32_t id = 0; id < v->size; id++)
        json_object_setn_new(names, v->names[id].data, v->names[id].size, json_integer(id));
    return names;
}

/* Pairs, as tokenizers 0.20 and later write them: a piece may then have a space in it. */
static json_t *merges_json(const char *merges)
{
    json_t *pairs = json_array();
    for (const char *line = merges; *line; line = strchr(line, '\n') + 1) {
        const char *space = strchr(line, ' '), *end = strchr(line, '\n');
        json_array_append_new(pairs, json_pack("[s%, s%]", line, (size_t)(space - line), space + 1, (size_t)(end - space - 1)));
    }
    return pairs;
}

static void append_added(json_t *tokens, const Vocab *v, const char *const *names)
{
    for (; *names; names++)
        json_array_append_new(tokens,
                              json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id", vocab_find(v, slice_of(*names)), "content",
                                        *names, "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1));
}

/* Digits alone, the rest as GPT-2 cuts it, bytes as characters. */
static void set_bytes(json_t *root)
{
    json_t *steps = json_pack("[{s:s, s:b}, {s:s, s:b, s:b, s:b}]", "type", "Digits", "individual_digits", 1, "type", "ByteLevel",
                              "add_prefix_space", 0, "trim_offsets", 1, "use_regex", 1);
    json_object_set_new(root, "normalizer", json_null());
    json_object_set_new(root, "pre_tokenizer", json_pack("{s:s, s:o}", "type", "Sequence", "pretokenizers", steps));
    json_object_set_new(root, "post_processor", json_null());
    json_object_set_new(
        root, "decoder",
        json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 1, "trim_offsets", 1, "use_regex", 1));
}

static json_t *replace(const char *from, const char *to)
{
    return json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", "String", from, "content", to);
}

/* <s> in front of a text. */
static json_t *begun(void)
{
    json_t *single = json_pack("[{s:{s:s, s:i}}, {s:{s:s, s:i}}]", "SpecialToken", "id", "<s>", "type_id", 0, "Sequence", "id",
                               "A", "type_id", 0);
    json_t *pair = json_deep_copy(single);
    json_array_append_new(pair, json_pack("{s:{s:s, s:i}}", "SpecialToken", "id", "<s>", "type_id", 1));
    json_array_append_new(pair, json_pack("{s:{s:s, s:i}}", "Sequence", "id", "B", "type_id", 1));
    return json_pack("{s:s, s:o, s:o, s:{s:{s:s, s:[i], s:[s]}}}", "type", "TemplateProcessing", "single", single, "pair", pair,
                     "special_tokens", "<s>", "id", "<s>", "ids", 1, "tokens", "<s>");
}

/* U+2581 in front and for spaces; back again, one space at the front dropped. */
static void set_sentencepiece(json_t *root)
{
    json_object_set_new(root, "normalizer",
                        json_pack("{s:s, s:[{s:s, s:s}, o]}", "type", "Sequence", "normalizers", "type", "Prepend", "prepend",
                                  "\u2581", replace(" ", "\u2581")));
    json_object_set_new(root, "pre_tokenizer", json_null());
    json_object_set_new(root, "post_processor", begun());
    json_object_set_new(root, "decoder",
                        json_pack("{s:s, s:[o, {s:s}, {s:s}, {s:s, s:s, s:i, s:i}]}", "type", "Sequence", "decoders",
                                  replace("\u2581", " "), "type", "ByteFallback", "type", "Fuse", "type", "Strip", "content", " ",
                                  "start", 1, "stop", 0));
}

bool train_write_json(const char *folder, TokenizerKind kind, const Vocab *v, const char *merges, const char *const *first,
                      const char *const *last, Error *err)
{
    const bool pieces = kind == TOKENIZER_SENTENCEPIECE;
    json_t *added = json_array();
    append_added(added, v, first);
    append_added(added, v, last);
    json_t *root = json_pack("{s:s, s:n, s:n, s:o}", "version", "1.0", "truncation", "padding", "added_tokens", added);
    if (pieces)
        set_sentencepiece(root);
    else
        set_bytes(root);
    json_object_set_new(root, "model",
                        json_pack("{s:s, s:n, s:o, s:n, s:n, s:b, s:b, s:b, s:o, s:o}", "type", "BPE", "dropout", "unk_token",
                                  pieces ? json_string("<unk>") : json_null(), "continuing_subword_prefix", "end_of_word_suffix",
                                  "fuse_unk", pieces, "byte_fallback", pieces, "ignore_merges", 0, "vocab", train_names_json(v),
                                  "merges", merges_json(merges)));
    bool ok = json_file_write(folder, "tokenizer.json", root, err);
    json_decref(root);
    return ok;
}
