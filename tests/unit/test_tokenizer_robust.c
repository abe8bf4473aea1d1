/*
 * What a tokenizer promises besides equal ids: special ids, limits, the text of a caption, settings files, threads; and that no
 * bytes, ids or damaged files do more than give an error. The random parts are drawn from a fixed seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "base/random.h"
#include "base/utf8.h"
#include "text/tokenizer.h"
#include "text/unicode/unicode.h"
#include "text/unicode/unicode_data.h"

#define ROOT "tests/golden/tokenizers/"

static const char *const kinds[] = {"opt", "clip", "bert"};
static Arena arena;
static Tokenizer *tokenizers[3]; /* by TokenizerKind */

static Slice slice(const char *s)
{
    return (Slice){s, strlen(s)};
}

static bool is(Slice s, const char *want)
{
    return s.size == strlen(want) && memcmp(s.data, want, s.size) == 0;
}

static Tokens encode(TokenizerKind kind, const char *text, int flags, size_t limit)
{
    Tokens out;
    Error err = {0};
    if (!tokenizer_encode(&out, &arena, tokenizers[kind], slice(text), flags, limit, &err))
        fail_msg("%s", err.text);
    return out;
}

static void test_ids(void **state)
{
    (void)state;
    TokenizerIds opt = tokenizer_ids(tokenizers[TOKENIZER_OPT]), clip = tokenizer_ids(tokenizers[TOKENIZER_CLIP]),
                 bert = tokenizer_ids(tokenizers[TOKENIZER_BERT]);
    assert_int_equal(opt.bos, 2);
    assert_int_equal(opt.pad, 1);
    assert_int_equal(opt.unknown, -1);
    assert_true(is(tokenizer_token_bytes(tokenizers[TOKENIZER_OPT], opt.eos), "\n"));
    assert_int_equal(clip.eos, tokenizer_size(tokenizers[TOKENIZER_CLIP]) - 1);
    assert_int_equal(clip.bos, clip.eos - 1);
    assert_true(is(tokenizer_piece(tokenizers[TOKENIZER_BERT], bert.bos), "[CLS]"));
    assert_true(tokenizer_is_special(tokenizers[TOKENIZER_BERT], bert.unknown));
    assert_int_equal(tokenizer_id(tokenizers[TOKENIZER_BERT], slice("[SEP]")), bert.eos);
    for (int kind = 0; kind < 3; kind++) {
        const Tokenizer *t = tokenizers[kind];
        assert_int_equal(tokenizer_kind(t), kind);
        assert_null(tokenizer_piece(t, -1).data);
        assert_null(tokenizer_piece(t, tokenizer_size(t)).data);
        assert_int_equal(tokenizer_token_bytes(t, INT32_MAX).size, 0);
        for (int32_t id = 0; id < tokenizer_size(t); id++)
            assert_int_equal(tokenizer_id(t, tokenizer_piece(t, id)), id);
    }
}

static void test_limits(void **state)
{
    (void)state;
    Error err = {0};
    Tokens out;
    for (int kind = 0; kind < 3; kind++) {
        Tokens all = encode(kind, "a red circle stands on a blue square", 0, 0),
               special = encode(kind, "a red circle stands on a blue square", ENCODE_SPECIAL, 0);
        size_t around = kind == TOKENIZER_OPT ? 1 : 2;
        assert_int_equal(special.count, all.count + around);
        assert_memory_equal(special.ids + 1, all.ids, all.count * sizeof *all.ids);
        Tokens cut = encode(kind, "a red circle stands on a blue square", ENCODE_SPECIAL, 5);
        assert_int_equal(cut.count, 5);
        assert_memory_equal(cut.ids + 1, all.ids, (5 - around) * sizeof *all.ids);
        assert_int_equal(cut.ids[4], kind == TOKENIZER_OPT ? all.ids[3] : tokenizer_ids(tokenizers[kind]).eos);
        assert_false(kind != TOKENIZER_OPT &&
                     tokenizer_encode(&out, &arena, tokenizers[kind], slice("a"), ENCODE_SPECIAL, 1, &err));
    }
    assert_non_null(strstr(err.text, "a limit of 1 ids, expected at least 2"));
}

static void test_invalid_utf8(void **state)
{
    (void)state;
    const char *const texts[] = {"abc\xFF",     "abc\xC3", "abc\xE2\x82", "abc\xED\xA0\x80", "abc\xF4\x90\x80\x80",
                                 "abc\xC0\x80", "abc\x80"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        Tokens out;
        Error err = {0};
        assert_false(tokenizer_encode(&out, &arena, tokenizers[i % 3], slice(texts[i]), 0, 0, &err));
        assert_string_equal(err.text, "invalid UTF-8 at byte 3 of the text");
    }
}

/* The id of one byte in the small OPT vocabulary. */
static int32_t id_of_byte(uint8_t byte)
{
    for (int32_t id = 0; id < 300; id++) {
        Slice b = tokenizer_token_bytes(tokenizers[TOKENIZER_OPT], id);
        if (b.size == 1 && (uint8_t)b.data[0] == byte)
            return id;
    }
    fail();
    return -1;
}

static void test_caption(void **state)
{
    (void)state;
    const Tokenizer *t = tokenizers[TOKENIZER_OPT];
    int32_t eos = tokenizer_ids(t).eos, space = id_of_byte(' ');
    /* " é" in two tokens, an eos in the middle, half a character, a special id, an id of no piece, the unit separator, eos */
    const int32_t ids[] = {space,
                           id_of_byte(0xC3),
                           id_of_byte(0xA9),
                           eos,
                           id_of_byte('a'),
                           id_of_byte(0xE2),
                           id_of_byte(0x82),
                           2,
                           id_of_byte('b'),
                           1 << 20,
                           0,
                           id_of_byte(0x1F),
                           eos};
    const TextRange want[] = {{0, 1}, {1, 3}, {1, 3}, {3, 3}, {3, 4}, {4, 7}, {4, 7},
                              {7, 7}, {7, 8}, {8, 8}, {8, 8}, {8, 9}, {9, 9}};
    CaptionText c;
    tokenizer_caption(&c, &arena, t, ids, 13);
    assert_true(is(c.whole, " \u00e9a\uFFFDb\x1F"));
    assert_true(is(c.text, "\u00e9a\uFFFDb"));
    assert_int_equal(c.count, 13);
    for (size_t i = 0; i < 13; i++)
        if (c.tokens[i].start != want[i].start || c.tokens[i].end != want[i].end)
            fail_msg("token %zu has [%zu, %zu), expected [%zu, %zu)", i, c.tokens[i].start, c.tokens[i].end, want[i].start,
                     want[i].end);
    tokenizer_caption(&c, &arena, t, NULL, 0);
    assert_int_equal(c.text.size + c.count, 0);
    tokenizer_caption(&c, &arena, t, &eos, 1);
    assert_int_equal(c.text.size, 0);
    assert_int_equal(c.count, 1);
}

/* A special id between the two halves of a character: it stands inside the character. */
static void test_caption_inside_character(void **state)
{
    (void)state;
    const int32_t ids[] = {id_of_byte(0xC3), 1, id_of_byte(0xA9)};
    CaptionText c;
    tokenizer_caption(&c, &arena, tokenizers[TOKENIZER_OPT], ids, 3);
    assert_true(is(c.text, "\u00e9"));
    assert_true(c.tokens[1].start == 0 && c.tokens[1].end == 2);
}

static bool is_valid_utf8(Slice s)
{
    int size;
    bool valid = true;
    for (const char *p = s.data, *end = p + s.size; p < end && valid; p += size)
        utf8_decode(p, end, &size, &valid);
    return valid;
}

static void test_random_ids(void **state)
{
    (void)state;
    for (uint32_t k = 0; k < 6000; k++) {
        const Tokenizer *t = tokenizers[k % 3];
        int32_t ids[40];
        size_t n = random_below(1, k, 1, 0, 40);
        for (uint32_t i = 0; i < n; i++)
            ids[i] = (int32_t)random_below(1, k, 2, i, (uint64_t)tokenizer_size(t) + 10) - 5;
        arena_reset(&arena);
        assert_true(is_valid_utf8(tokenizer_decode(&arena, t, ids, n)));
        CaptionText c;
        tokenizer_caption(&c, &arena, t, ids, n);
        assert_true(is_valid_utf8(c.whole) && c.text.data >= c.whole.data &&
                    c.text.data + c.text.size <= c.whole.data + c.whole.size);
        for (size_t i = 0; i < n; i++) {
            assert_true(c.tokens[i].start <= c.tokens[i].end && c.tokens[i].end <= c.whole.size);
            assert_true(i == 0 || (c.tokens[i].start >= c.tokens[i - 1].start && c.tokens[i].end >= c.tokens[i - 1].end));
        }
    }
}

/* Bytes that are mostly UTF-8: whatever is valid is encoded, comes back exactly from OPT, and ranges lie in the text. */
static void test_random_texts(void **state)
{
    (void)state;
    size_t valid = 0;
    for (uint32_t k = 0; k < 6000; k++) {
        char text[400];
        Slice s = {text, 0};
        for (uint32_t i = 0, n = (uint32_t)random_below(2, k, 1, 0, 90); i < n; i++) {
            uint32_t code = (uint32_t)random_below(2, k, 2, i, k % 5 == 0 ? 0x110000 : k % 5 == 1 ? 0x500 : 0x80);
            s.size += (size_t)utf8_encode(text + s.size, code >= 0xD800 && code < 0xE000 ? 0x301 : code);
        }
        if (s.size && k % 7 == 0)
            text[random_below(2, k, 3, 0, s.size)] = (char)random_below(2, k, 4, 0, 256);
        Tokens out;
        Error err = {0};
        arena_reset(&arena);
        bool ok = tokenizer_encode(&out, &arena, tokenizers[k % 3], s, k % 2 ? ENCODE_LITERAL : 0, 0, &err);
        assert_int_equal(ok, is_valid_utf8(s));
        valid += ok;
        for (size_t i = 0; ok && i < out.count; i++)
            assert_true(out.bytes[i].start <= out.bytes[i].end && out.bytes[i].end <= s.size);
        if (ok && k % 6 == 3) {
            Slice back = tokenizer_decode(&arena, tokenizers[TOKENIZER_OPT], out.ids, out.count);
            assert_true(back.size == s.size && (s.size == 0 || !memcmp(back.data, s.data, s.size)));
        }
    }
    assert_true(valid > 4000);
}

/* A megabyte without a space: quadratic work would take minutes. */
static void test_long_piece(void **state)
{
    (void)state;
    size_t size = 1 << 20;
    char *text = malloc(size);
    for (int kind = 0; kind < 3; kind++) {
        Tokens out;
        Error err = {0};
        for (size_t i = 0; i < size; i++)
            text[i] = "theredstar"[random_below(3, (uint32_t)kind, 1, (uint32_t)i, 10)];
        assert_true(tokenizer_encode(&out, &arena, tokenizers[kind], (Slice){text, size}, 0, 0, &err));
        assert_true(kind == TOKENIZER_BERT ? out.count == 1 : out.count > size / 8);
    }
    free(text);
    arena_release(&arena);
}

static void *encode_in_thread(void *failed)
{
    Arena own = {0};
    for (uint32_t k = 0; k < 400; k++) {
        char text[32];
        Tokens out;
        Error err = {0};
        snprintf(text, sizeof text, "the %u squares", k % 50);
        if (!tokenizer_encode(&out, &own, tokenizers[TOKENIZER_OPT], slice(text), 0, 0, &err) ||
            !is(tokenizer_decode(&own, tokenizers[TOKENIZER_OPT], out.ids, out.count), text))
            *(bool *)failed = true;
        arena_reset(&own);
    }
    arena_release(&own);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    bool failed[4] = {false};
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, encode_in_thread, &failed[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_false(failed[i]);
    }
}

/* unicode_flags spells out ASCII; the table has it too. */
static void test_ascii(void **state)
{
    (void)state;
    for (uint32_t code = 0, row = 0; code < 128; code++) {
        while (row + 1 < unicode_n_ranges && unicode_ranges[row + 1].start <= code)
            row++;
        if (unicode_flags(code) != unicode_ranges[row].value)
            fail_msg("U+%04X has flags %u, expected %u", code, unicode_flags(code), unicode_ranges[row].value);
    }
}

/* ---- folders ---- */

static char folder[] = "/tmp/test_tokenizer_XXXXXX";

static void put(const char *name, const void *data, size_t size)
{
    Error err = {0};
    char *path = path_join(folder, name);
    if (!file_write(path, data, size, &err))
        fail_msg("%s", err.text);
    free(path);
}

static void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

static char *get(const char *kind, const char *name, size_t *size)
{
    Error err = {0};
    char *path = xasprintf(ROOT "%s/%s", kind, name), *data = file_read(path, size, &err);
    free(path);
    assert_non_null(data);
    return data;
}

static void copy(const char *kind, const char *name)
{
    size_t size;
    char *data = get(kind, name, &size);
    put(name, data, size);
    free(data);
}

static void empty_folder(void)
{
    static const char *const names[] = {"vocab.json",        "merges.txt", "vocab.txt", "tokenizer.json", "tokenizer_config.json",
                                        "added_tokens.json", "config.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = path_join(folder, names[i]);
        unlink(path);
        free(path);
    }
}

static void test_settings(void **state)
{
    (void)state;
    Error err = {0};
    Tokens out;
    empty_folder();
    copy("opt", "vocab.json");
    copy("opt", "merges.txt");
    put_text("config.json", "{\"image_token_index\": 431}");
    put_text("tokenizer_config.json", "{\"added_tokens_decoder\": {\"425\": {\"content\": \"<thing>\", \"special\": true, "
                                      "\"rstrip\": true}}, \"bos_token\": {\"content\": \"</s>\"}}");
    put_text("added_tokens.json", "{\"[DEC]\": 430}");
    Tokenizer *t = tokenizer_open(folder, &err);
    if (!t)
        fail_msg("%s", err.text);
    assert_int_equal(tokenizer_ids(t).image, 431);
    assert_int_equal(tokenizer_size(t), 431);
    assert_true(tokenizer_encode(&out, &arena, t, slice("a<thing>  [DEC]"), 0, 0, &err));
    assert_int_equal(out.count, 3);
    assert_int_equal(out.ids[1], 425);
    assert_true(out.bytes[1].start == 1 && out.bytes[1].end == 10);
    assert_int_equal(out.ids[2], 430);
    assert_true(is(tokenizer_decode(&arena, t, out.ids, out.count), "a"));
    tokenizer_free(t);
    static const char *const wrong[][2] = {{"added_tokens.json", "{\"x\": -1}"},
                                           {"added_tokens.json", "[1]"},
                                           {"added_tokens.json", "{\"x\": 99999999}"},
                                           {"added_tokens.json", "{\"x\": 5}"}, /* whose name is another */
                                           {"config.json", "{"},
                                           {"tokenizer_config.json", "{\"added_tokens_decoder\": {\"x\": {}}}"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        err = (Error){0};
        put_text(wrong[i][0], wrong[i][1]);
        assert_null(tokenizer_open(folder, &err));
        if (!strstr(err.text, wrong[i][0]))
            fail_msg("\"%s\" does not name %s", err.text, wrong[i][0]);
        put_text(wrong[i][0], "{}");
    }
}

static void test_missing_ids(void **state)
{
    (void)state;
    Error err = {0};
    empty_folder();
    put_text("vocab.txt", "[PAD]\n[UNK]\n[CLS]\na\n");
    assert_null(tokenizer_open(folder, &err));
    assert_non_null(strstr(err.text, "the vocabulary has no \"[SEP]\""));
    put_text("tokenizer.json", "{\"model\": {\"type\": \"WordLevel\", \"vocab\": {\"a\": 1}}}");
    err = (Error){0};
    assert_null(tokenizer_open(folder, &err));
    assert_non_null(strstr(err.text, "expected BPE, WordPiece or Unigram"));
}

/* Files with a few bytes changed, or cut: they open or give an error that names a file of the folder. */
static void damage(const char *kind, const char *name, uint32_t k)
{
    size_t size;
    char *data = get(kind, name, &size);
    for (uint32_t i = 0; i < 1 + k % 4; i++)
        data[random_below(4, k, 1, i, size)] = (char)random_below(4, k, 2, i, 256);
    put(name, data, k % 3 == 0 ? random_below(4, k, 3, 0, size) : size);
    free(data);
}

static void test_damaged_files(void **state)
{
    (void)state;
    size_t refused = 0;
    for (uint32_t k = 0; k < 300; k++) {
        static const char *const files[3][2] = {{"vocab.json", "merges.txt"}, {"merges.txt", "vocab.json"}, {"vocab.txt", NULL}};
        int which = k % 3;
        Error err = {0};
        empty_folder();
        damage(kinds[which], files[which][0], k);
        if (files[which][1])
            copy(kinds[which], files[which][1]);
        Tokenizer *t = tokenizer_open(folder, &err);
        Tokens out;
        if (t)
            (void)!tokenizer_encode(&out, &arena, t, slice("a red star, it's \u00e9 1993"), 0, 0, &err);
        else if (refused++, !strstr(err.text, folder))
            fail_msg("\"%s\" names no file of %s", err.text, folder);
        tokenizer_free(t);
    }
    assert_true(refused > 30);
}

static int setup(void **state)
{
    (void)state;
    Error err = {0};
    for (int k = 0; k < 3; k++) {
        char *path = xasprintf(ROOT "%s", kinds[k]);
        tokenizers[k] = tokenizer_open(path, &err);
        free(path);
        if (!tokenizers[k])
            return -1;
    }
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    for (int k = 0; k < 3; k++)
        tokenizer_free(tokenizers[k]);
    arena_release(&arena);
    empty_folder();
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_invalid_utf8),
        cmocka_unit_test(test_caption),
        cmocka_unit_test(test_caption_inside_character),
        cmocka_unit_test(test_random_ids),
        cmocka_unit_test(test_random_texts),
        cmocka_unit_test(test_long_piece),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_ascii),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_missing_ids),
        cmocka_unit_test(test_damaged_files),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
