/*
 * What a unigram tokenizer promises besides the library's ids (test_tokenizer): a file that cannot be used is refused by what is
 * wrong in it, and no damage does more than give an error. The random parts are drawn from a fixed seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "base/random.h"
#include "text/unicode/graphemes.h"
#include "text/tokenizer.h"

static char folder[] = "/tmp/test_unigram_XXXXXX";

static void put(const char *name, const void *data, size_t size)
{
    Error err = {0};
    char *path = path_join(folder, name);
    if (!file_write(path, data, size, &err))
        fail_msg("%s", err.text);
    free(path);
}

static void drop(const char *name)
{
    char *path = path_join(folder, name);
    unlink(path);
    free(path);
}

/* A text is cut up or refused; ids are rows. */
static void use(const Tokenizer *t)
{
    Arena arena = {0};
    Error err = {0};
    Tokens out;
    if (tokenizer_encode(&out, &arena, t,
                         slice_of("A red star, it's \u00e9 e\u0301 \uff21\u0301 \u3248 \u1112\u1161\u11ab 1993 \u2581"),
                         ENCODE_SPECIAL, 0, &err))
        for (size_t i = 0; i < out.count; i++)
            assert_in_range(out.ids[i], 0, tokenizer_size(t) - 1);
    arena_release(&arena);
}

/* Opens as a tokenizer.json with this model and these steps. */
static void refuses(const char *model, const char *normalizer, const char *before, const char *says)
{
    Error err = {0};
    char *json = xasprintf("{\"model\": {\"type\": \"Unigram\", %s}, \"normalizer\": %s, \"pre_tokenizer\": %s}", model,
                           normalizer, before);
    put("tokenizer.json", json, strlen(json));
    Tokenizer *t = tokenizer_open(folder, &err);
    if (says) {
        assert_null(t);
        if (!strstr(err.text, says) || !strstr(err.text, "tokenizer.json"))
            fail_msg("\"%s\" does not say \"%s\"", err.text, says);
    } else if (!t)
        fail_msg("%s", err.text);
    else
        use(t);
    tokenizer_free(t);
    free(json);
    drop("tokenizer.json");
}

#define ROWS "\"vocab\": [[\"</s>\", 0], [\"<unk>\", 0], [\"\u2581\", -2.5], [\"a\", -3]], \"unk_id\": 1"
#define SPACE "{\"type\": \"Metaspace\", \"replacement\": \"\u2581\", \"prepend_scheme\": \"always\", \"split\": true}"

static void test_files(void **state)
{
    (void)state;
    refuses(ROWS, "null", SPACE, NULL);
    refuses(ROWS, "{\"type\": \"Lowercase\"}", SPACE, NULL);
    refuses(ROWS, "null", "{\"type\": \"Metaspace\", \"replacement\": \"\u2581\", \"add_prefix_space\": true}", NULL);
    refuses("\"vocab\": {\"a\": 1}, \"unk_id\": 0", "null", SPACE, "model.vocab is not a list of pieces with their scores");
    refuses("\"vocab\": [[\"a\"]], \"unk_id\": 0", "null", SPACE, "model.vocab[0] is not a piece with its score");
    refuses("\"vocab\": [[\"a\", -1]], \"unk_id\": 1", "null", SPACE, "model.unk_id is not a row");
    refuses("\"vocab\": [[\"a\", -1]], \"unk_id\": null", "null", SPACE, "model.unk_id is not a row");
    refuses(ROWS, "{\"type\": \"NFKC\"}", SPACE, "normalizer is {\"type\":\"NFKC\"}, which this suite does not know");
    refuses(ROWS, "{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"[.,]\"}, \"content\": \"\"}", SPACE,
            "which this suite does not know");
    refuses(ROWS, "{\"type\": \"Strip\", \"strip_left\": false, \"strip_right\": true}", SPACE, "which this suite does not know");
    refuses(ROWS, "{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"?\"}", SPACE, "precompiled_charsmap is not base64");
    refuses(ROWS, "{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAA=\"}", SPACE, "precompiled_charsmap has 2 bytes");
    refuses(ROWS, "{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"CAAAAAAAAAA=\"}", SPACE,
            "a trie of 8 bytes, expected a multiple of 4 up to 4");
    refuses(ROWS, "null", "{\"type\": \"Whitespace\"}", "pre_tokenizer is {\"type\":\"Whitespace\"}");
}

static void test_class(void **state)
{
    (void)state;
    Error err = {0};
    size_t size;
    char *model = file_read("tests/golden/siglip/odd/spiece.model", &size, &err);
    const char *t5 = "{\"tokenizer_class\": \"T5Tokenizer\"}";
    put("spiece.model", model, size);
    Tokenizer *t = tokenizer_open(folder, &err);
    assert_non_null(t); /* nothing says that it is another's */
    tokenizer_free(t);
    put("tokenizer_config.json", t5, strlen(t5));
    assert_null(tokenizer_open(folder, &err));
    assert_non_null(strstr(err.text, "tokenizer_class is \"T5Tokenizer\", expected SiglipTokenizer"));
    drop("tokenizer_config.json");
    drop("spiece.model");
    free(model);
}

/* A file with a few bytes changed, or cut: it opens and cuts texts up, or gives an error. */
static void damage(const char *source, const char *name, uint32_t k, size_t *refused)
{
    Error err = {0};
    size_t size;
    char *data = file_read(source, &size, &err);
    for (uint32_t i = 0; i < 1 + k % 4; i++)
        data[random_below(7, k, 1, i, size)] = (char)random_below(7, k, 2, i, 256);
    put(name, data, k % 3 == 0 ? random_below(7, k, 3, 0, size) : size);
    Tokenizer *t = tokenizer_open(folder, &err);
    if (t)
        use(t);
    else
        assert_true(err.text[0] != 0);
    *refused += !t;
    tokenizer_free(t);
    drop(name);
    free(data);
}

static void test_damaged_files(void **state)
{
    (void)state;
    enum { TIMES = 120 };
    size_t refused = 0;
    for (uint32_t k = 0; k < TIMES; k++) {
        damage("tests/golden/siglip/odd/spiece.model", "spiece.model", k, &refused);
        damage("tests/golden/siglip/tiny/tokenizer.json", "tokenizer.json", k, &refused);
    }
    assert_in_range(refused, 1, 2 * TIMES - 1);
}

/* What joins, by rule 6 to 9b of the standard and its own examples. */
static void test_graphemes(void **state)
{
    (void)state;
    static const struct {
        uint32_t code[6];
        size_t n, end;
    } cases[] = {
        {{'a', 0x301, 'b'}, 3, 2},
        {{'\r', '\n', 'a'}, 3, 2},
        {{'\n', 0x301}, 2, 1},
        {{0x1100, 0x1161, 0x11A8}, 3, 3},
        {{0xAC00, 0x11A8, 'a'}, 3, 2},
        {{0xAC01, 0x1161}, 2, 1},
        {{0xAC01, 0x11A8}, 2, 2},
        {{0x1100, 0xAC01}, 2, 2},
        {{0x600, ' ', 'a'}, 3, 2},
        {{0x600, '\n'}, 2, 1},
        {{'a', 0x200D, 0x301}, 3, 3},
        {{0x915, 0x93E}, 2, 2},
        {{'a', 'b'}, 2, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(grapheme_end(cases[i].code, 0, cases[i].n), cases[i].end);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_files), cmocka_unit_test(test_class),
                                       cmocka_unit_test(test_damaged_files), cmocka_unit_test(test_graphemes)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
