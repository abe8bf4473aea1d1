/*
 * The tokenizers against Hugging Face's: small vocabularies with their goldens (tests/golden/tokenizers, made by
 * tests/golden/make_tokenizers.py), and the published vocabularies with the oracle's goldens in ../shared, when they are there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "text/tokenizer.h"

static Arena arena;

static Slice slice(const char *s)
{
    return (Slice){s, strlen(s)};
}

static Tokenizer *open_or_fail(const char *folder)
{
    Error err = {0};
    Tokenizer *t = tokenizer_open(folder, &err);
    if (!t)
        fail_msg("%s", err.text);
    return t;
}

/* A line number and what differs, for the reader of a failure. */
typedef struct Line {
    const char *path;
    int number;
    json_t *object;
} Line;

static void differ(const Line *l, const char *what, size_t i)
{
    char *dump = json_dumps(l->object, JSON_ENSURE_ASCII);
    fail_msg("%s:%d: %s differs at %zu: %.600s", l->path, l->number, what, i, dump);
}

static void compare_ids(const Line *l, const char *key, const Tokens *got)
{
    json_t *want = json_object_get(l->object, key);
    for (size_t i = 0; i < got->count && i < json_array_size(want); i++)
        if (got->ids[i] != json_integer_value(json_array_get(want, i)))
            differ(l, key, i);
    if (got->count != json_array_size(want))
        differ(l, key, got->count);
}

static void compare_ranges(const Line *l, const char *key, const TextRange *got, size_t n)
{
    json_t *want = json_object_get(l->object, key);
    for (size_t i = 0; want && i < n; i++) {
        json_t *pair = json_array_get(want, i);
        if (got[i].start != (size_t)json_integer_value(json_array_get(pair, 0)) ||
            got[i].end != (size_t)json_integer_value(json_array_get(pair, 1)))
            differ(l, key, i);
    }
}

static void compare_text(const Line *l, const char *key, Slice got)
{
    json_t *want = json_object_get(l->object, key);
    if (got.size != json_string_length(want) || memcmp(got.data, json_string_value(want), got.size))
        differ(l, key, 0);
}

static void compare_reading(const Tokenizer *t, const Line *l, int flags, const char *ids, const char *bytes, const char *chars,
                            const char *decoded)
{
    Tokens got;
    Error err = {0};
    json_t *text = json_object_get(l->object, "text");
    Slice s = {json_string_value(text), json_string_length(text)};
    if (!tokenizer_encode(&got, &arena, t, s, flags, 0, &err))
        fail_msg("%s:%d: %s", l->path, l->number, err.text);
    compare_ids(l, ids, &got);
    compare_ranges(l, bytes, got.bytes, got.count);
    bool ascii = true;
    for (size_t i = 0; i < s.size; i++)
        ascii &= (uint8_t)s.data[i] < 128;
    compare_ranges(l, ascii ? bytes : chars, got.chars, got.count);
    compare_text(l, decoded, tokenizer_decode(&arena, t, got.ids, got.count));
    if (json_object_get(l->object, "ids_special") && !strcmp(ids, "ids")) {
        if (!tokenizer_encode(&got, &arena, t, s, flags | ENCODE_SPECIAL, tokenizer_limit(t), &err))
            fail_msg("%s:%d: %s", l->path, l->number, err.text);
        compare_ids(l, "ids_special", &got);
    }
}

static void compare_decoding(const Tokenizer *t, const Line *l)
{
    json_t *array = json_object_get(l->object, "decode"), *id;
    int32_t ids[64];
    size_t i;
    assert_true(json_array_size(array) <= 64);
    json_array_foreach (array, i, id)
        ids[i] = (int32_t)json_integer_value(id);
    compare_text(l, "decoded", tokenizer_decode(&arena, t, ids, json_array_size(array)));
}

/* Lines without ids_plain have the same two readings. */
static void compare_file(const Tokenizer *t, const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = NULL;
    size_t capacity = 0;
    Line l = {path, 0, NULL};
    if (!f)
        fail_msg("cannot open %s", path);
    while (getline(&text, &capacity, f) > 0) {
        l.number++;
        l.object = json_loads(text, JSON_ALLOW_NUL, NULL);
        assert_non_null(l.object);
        bool differs = json_object_get(l.object, "ids_plain");
        arena_reset(&arena);
        if (json_object_get(l.object, "decode"))
            compare_decoding(t, &l);
        else
            compare_reading(t, &l, 0, "ids", "offsets", "chars", "decoded");
        if (differs)
            compare_reading(t, &l, ENCODE_LITERAL, "ids_plain", "offsets_plain", "chars_plain", "decoded_plain");
        else if (!json_object_get(l.object, "decode"))
            compare_reading(t, &l, ENCODE_LITERAL, "ids", "offsets", "chars", "decoded");
        json_decref(l.object);
    }
    assert_true(l.number > 0);
    free(text);
    fclose(f);
}

/* The small vocabularies. */
static void check_small(const char *kind, TokenizerKind expected)
{
    char *folder = xasprintf("tests/golden/tokenizers/%s", kind), *golden = xasprintf("%s.jsonl", folder);
    Tokenizer *t = open_or_fail(folder);
    assert_int_equal(tokenizer_kind(t), expected);
    compare_file(t, golden);
    tokenizer_free(t);
    free(folder);
    free(golden);
}

static void test_small_opt(void **state)
{
    (void)state;
    check_small("opt", TOKENIZER_OPT);
}

static void test_small_bert(void **state)
{
    (void)state;
    check_small("bert", TOKENIZER_BERT);
}

static void test_small_clip(void **state)
{
    (void)state;
    check_small("clip", TOKENIZER_CLIP);
}

static void test_small_llama2(void **state)
{
    (void)state;
    check_small("llama2", TOKENIZER_SENTENCEPIECE);
}

static void test_small_llama3(void **state)
{
    (void)state;
    check_small("llama3", TOKENIZER_BYTES);
}

static void test_small_smollm2(void **state)
{
    (void)state;
    check_small("smollm2", TOKENIZER_BYTES);
}

/* SentencePiece's own file: the same ids as tokenizer.json's. */
static void check_model_file(const char *whole_folder, const char *model_folder, const char *lines)
{
    Tokenizer *whole = open_or_fail(whole_folder), *model = open_or_fail(model_folder);
    assert_int_equal(tokenizer_size(model), tokenizer_size(whole));
    compare_file(model, lines);
    tokenizer_free(whole);
    tokenizer_free(model);
}

static void test_sentencepiece_model(void **state)
{
    (void)state;
    check_model_file("tests/golden/tokenizers/llama2", "tests/golden/tokenizers/llama2-model",
                     "tests/golden/tokenizers/llama2.jsonl");
}

/* SigLIP's two files are those of the models (tests/golden/siglip). */
static void test_small_siglip(void **state)
{
    (void)state;
    check_model_file("tests/golden/siglip/tiny", "tests/golden/siglip/odd", "tests/golden/tokenizers/siglip.jsonl");
    Tokenizer *t = open_or_fail("tests/golden/siglip/tiny");
    assert_int_equal(tokenizer_kind(t), TOKENIZER_UNIGRAM);
    compare_file(t, "tests/golden/tokenizers/siglip.jsonl");
    tokenizer_free(t);
}

/* The multilingual SigLIP's kind: what is of no row is bytes. */
static void test_small_siglip_bytes(void **state)
{
    (void)state;
    check_small("siglip-bytes", TOKENIZER_UNIGRAM);
}

/* Gemma's, to lower case: config.json beside it is a SigLIP's. */
static void test_small_siglip2(void **state)
{
    (void)state;
    Tokenizer *t = open_or_fail("tests/golden/siglip/v2");
    assert_int_equal(tokenizer_kind(t), TOKENIZER_SENTENCEPIECE);
    compare_file(t, "tests/golden/tokenizers/siglip2.jsonl");
    tokenizer_free(t);
}

/* The published vocabularies. */
static void check_published(const char *kind, TokenizerKind expected)
{
    char *folder = xasprintf("../shared/tokenizers/%s", kind),
         *golden = xasprintf("../shared/oracle/golden/tokens-%s.jsonl", kind);
    if (access(folder, R_OK) || access(golden, R_OK)) {
        print_message("SKIPPED: the published %s vocabulary is not there (%s, %s)\n", kind, folder, golden);
        free(folder);
        free(golden);
        skip(); /* does not return */
    }
    Tokenizer *t = open_or_fail(folder);
    assert_int_equal(tokenizer_kind(t), expected);
    compare_file(t, golden);
    free(golden);
    golden = xasprintf("../shared/oracle/golden/tokens-special-%s.jsonl", kind);
    compare_file(t, golden);
    tokenizer_free(t);
    free(folder);
    free(golden);
}

static void test_published_opt(void **state)
{
    (void)state;
    check_published("opt", TOKENIZER_OPT);
}

static void test_published_bert(void **state)
{
    (void)state;
    check_published("bert", TOKENIZER_BERT);
}

static void test_published_clip(void **state)
{
    (void)state;
    check_published("clip", TOKENIZER_CLIP);
}

/* test_tokenizer FOLDER FILE: one comparison with goldens made elsewhere. */
static const char *const *given;

static void test_given(void **state)
{
    (void)state;
    Tokenizer *t = open_or_fail(given[0]);
    compare_file(t, given[1]);
    tokenizer_free(t);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest one[] = {cmocka_unit_test(test_given)};
    given = (const char *const *)argv + 1;
    if (argc == 3)
        return cmocka_run_group_tests(one, NULL, NULL);

    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_opt),           cmocka_unit_test(test_small_bert),    cmocka_unit_test(test_small_clip),
        cmocka_unit_test(test_small_llama2),        cmocka_unit_test(test_small_llama3),  cmocka_unit_test(test_small_smollm2),
        cmocka_unit_test(test_sentencepiece_model), cmocka_unit_test(test_small_siglip),  cmocka_unit_test(test_small_siglip2),
        cmocka_unit_test(test_small_siglip_bytes),  cmocka_unit_test(test_published_opt), cmocka_unit_test(test_published_bert),
        cmocka_unit_test(test_published_clip),
    };
    (void)slice;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
