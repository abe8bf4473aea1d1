/* Tokenizers made from a text: they open, give back every text, join what is frequent, and come out the same each time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "text/tokenizer.h"
#include "text/train.h"

static const char corpus[] =
    "a red circle stands on a blue square\na blue star floats above a red circle\nan image of a red square, it's small\n"
    "a green circle stands on a red star\ntwo small squares float above a blue circle\nthe star is red and the square is "
    "caf\u00e9\n";

static char folder[] = "/tmp/test_train_XXXXXX";
static Arena arena;

static Slice slice(const char *s)
{
    return (Slice){s, strlen(s)};
}

static Tokenizer *train(TokenizerKind kind, size_t size)
{
    static const char *const names[] = {"vocab.json", "merges.txt", "vocab.txt", "tokenizer.json"};
    for (int i = 0; i < 4; i++) {
        char *path = path_join(folder, names[i]);
        unlink(path);
        free(path);
    }
    Error err = {0};
    Tokenizer *t = tokenizer_train(folder, kind, slice(corpus), size, &err) ? tokenizer_open(folder, &err) : NULL;
    if (!t)
        fail_msg("%s", err.text);
    assert_int_equal(tokenizer_kind(t), kind);
    assert_true((size_t)tokenizer_size(t) <= size);
    return t;
}

static Tokens encode(const Tokenizer *t, const char *text)
{
    Tokens out;
    Error err = {0};
    if (!tokenizer_encode(&out, &arena, t, slice(text), 0, 0, &err))
        fail_msg("%s", err.text);
    return out;
}

static void expect_back(const Tokenizer *t, const char *text, const char *want)
{
    Tokens tokens = encode(t, text);
    Slice back = tokenizer_decode(&arena, t, tokens.ids, tokens.count);
    if (back.size != strlen(want) || memcmp(back.data, want, back.size))
        fail_msg("\"%s\" comes back as \"%.*s\"", text, (int)back.size, back.data);
}

static void test_opt(void **state)
{
    (void)state;
    Tokenizer *t = train(TOKENIZER_OPT, 320);
    TokenizerIds ids = tokenizer_ids(t);
    assert_int_equal(ids.bos, 2);
    assert_int_equal(ids.pad, 1);
    assert_int_equal(encode(t, "\n").ids[0], ids.eos);
    assert_int_equal(encode(t, " circle").count, 1);
    assert_true(encode(t, " zebra").count > 2);
    expect_back(t, "a red zebra \u732b\n", "a red zebra \u732b\n");
    tokenizer_free(t);
    t = train(TOKENIZER_OPT, 260);
    assert_int_equal(encode(t, "circle").count, 6);
    tokenizer_free(t);
}

static void test_clip(void **state)
{
    (void)state;
    Tokenizer *t = train(TOKENIZER_CLIP, 600);
    TokenizerIds ids = tokenizer_ids(t);
    assert_int_equal(ids.eos, tokenizer_size(t) - 1);
    assert_int_equal(ids.bos, tokenizer_size(t) - 2);
    assert_int_equal(encode(t, "RED circle").count, 2);
    expect_back(t, "A red zebra", "a red zebra");
    tokenizer_free(t);
}

static void test_bert(void **state)
{
    (void)state;
    Tokenizer *t = train(TOKENIZER_BERT, 400);
    assert_int_equal(tokenizer_ids(t).bos, 2);
    assert_int_equal(tokenizer_ids(t).eos, 3);
    assert_int_equal(encode(t, "a red circle").count, 3);
    expect_back(t, "Redstar sat", "redstar sat");
    assert_int_equal(encode(t, "\u732b").ids[0], tokenizer_ids(t).unknown);
    tokenizer_free(t);
}

/* SmolVLM's: special ids at both ends, each digit a piece, a caption's first word with its space. */
static void test_bytes(void **state)
{
    (void)state;
    Tokenizer *t = train(TOKENIZER_BYTES, 320);
    TokenizerIds ids = tokenizer_ids(t);
    assert_int_equal(ids.bos, 1);
    assert_int_equal(ids.eos, tokenizer_size(t) - 1);
    assert_int_equal(tokenizer_id(t, (Slice){"<image>", 7}), ids.eos - 1);
    assert_int_equal(encode(t, " circle").count, 1);
    assert_int_equal(encode(t, " 1993").count, 5);
    assert_int_equal(encode(t, "<|im_start|><image><image>").count, 3);
    expect_back(t, "a red zebra \u732b\n", "a red zebra \u732b\n");
    tokenizer_free(t);
}

/* LLaMa-2's: words with the space before them, characters of the text, bytes for all others. */
static void test_sentencepiece(void **state)
{
    (void)state;
    Tokenizer *t = train(TOKENIZER_SENTENCEPIECE, 340);
    TokenizerIds ids = tokenizer_ids(t);
    assert_int_equal(ids.bos, 1);
    assert_int_equal(ids.eos, 2);
    assert_int_equal(encode(t, "circle").count, 1);
    assert_int_equal(encode(t, "circle").ids[0], tokenizer_id(t, slice("\u2581circle")));
    assert_int_equal(encode(t, "a red circle").count, 3);
    assert_int_equal(encode(t, "\u732b").count, 4); /* the space, and three bytes */
    assert_int_equal(encode(t, "\u732b").ids[1], 3 + 0xE7);
    expect_back(t, "a red zebra \u732b", "a red zebra \u732b");
    tokenizer_free(t);
}

static void test_same_each_time(void **state)
{
    (void)state;
    static const char *const files[] = {"merges.txt", "merges.txt", "vocab.txt", "tokenizer.json", "tokenizer.json"};
    for (int kind = 0; kind < 5; kind++) {
        size_t sizes[2];
        char *path = path_join(folder, files[kind]), *text[2];
        Error err = {0};
        for (int k = 0; k < 2; k++) {
            tokenizer_free(train(kind, 560));
            text[k] = file_read(path, &sizes[k], &err);
            assert_non_null(text[k]);
        }
        assert_int_equal(sizes[0], sizes[1]);
        assert_memory_equal(text[0], text[1], sizes[0]);
        free(text[0]);
        free(text[1]);
        free(path);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const size_t least[] = {260, 514, 20, 263, 283};
    for (int kind = 0; kind < 5; kind++) {
        Error err = {0};
        assert_false(tokenizer_train(folder, kind, slice(corpus), least[kind] - 1, &err));
        assert_non_null(strstr(err.text, "expected at least"));
        err = (Error){0};
        assert_false(tokenizer_train(folder, kind, slice("a\nb\xFF\n"), 1000, &err));
        assert_string_equal(err.text, "line 2 of the text: invalid UTF-8");
        err = (Error){0};
        assert_false(tokenizer_train("/no/such/folder", kind, slice(corpus), 1000, &err));
        assert_non_null(strstr(err.text, "/no/such/folder"));
    }
}

static int setup(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char *command = xasprintf("rm -r %s", folder);
    int status = system(command);
    free(command);
    arena_release(&arena);
    return status;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opt),     cmocka_unit_test(test_clip),          cmocka_unit_test(test_bert),
        cmocka_unit_test(test_bytes),   cmocka_unit_test(test_sentencepiece), cmocka_unit_test(test_same_each_time),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
