/* The tokens of caption metrics against pycocoevalcap's (tests/golden/metrics/ptb.jsonl, made by make.py beside it), and document
 * frequencies in a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "eval/overlap.h"
#include "text/ptb/ptb.h"

static void tokens_are_those_of_pycocoevalcap(void **state)
{
    (void)state;
    FILE *f = fopen("tests/golden/metrics/ptb.jsonl", "r");
    char *line = NULL;
    size_t capacity = 0, n = 0, wrong = 0;
    Arena arena = {0};
    Ptb *tokenizer = ptb_new();
    assert_non_null(f);
    for (; getline(&line, &capacity, f) > 0; n++) {
        json_t *o = json_loads(line, 0, NULL), *text = json_object_get(o, "text");
        const char *want = json_string_value(json_object_get(o, "tokens"));
        Slice found = ptb_tokenize(tokenizer, (Slice){json_string_value(text), json_string_length(text)}, &arena);
        if (!slice_equal(found, want)) {
            printf("line %zu, %s\n  found    %.*s\n  expected %s\n", n + 1, json_string_value(text), (int)found.size, found.data,
                   want);
            wrong++;
        }
        json_decref(o);
        arena_reset(&arena);
    }
    assert_true(n > 1000);
    assert_int_equal(wrong, 0);
    free(line);
    fclose(f);
    ptb_free(tokenizer);
    arena_release(&arena);
}

static void a_text_may_be_of_any_size_and_kind(void **state)
{
    (void)state;
    Arena arena = {0};
    Ptb *tokenizer = ptb_new();
    char *brackets = xmalloc(60000);
    assert_int_equal(ptb_tokenize(tokenizer, (Slice){"", 0}, &arena).size, 0);
    assert_true(slice_equal(ptb_tokenize(tokenizer, SLICE("a\nb\0c\r\n"), &arena), "a b c"));
    for (size_t i = 0; i < 60000; i++)
        brackets[i] = "<a@."[i % 4];
    assert_true(ptb_tokenize(tokenizer, (Slice){brackets, 60000}, &arena).size > 0);
    free(brackets);
    ptb_free(tokenizer);
    arena_release(&arena);
}

/* ---- frequencies ---- */

static const char *const folder = "/tmp";

static char *place(const char *name)
{
    return xasprintf("%s/vlrm-ptb-%d-%s", folder, (int)getpid(), name);
}

static void frequencies_come_back_from_their_file(void **state)
{
    (void)state;
    /* The second has a number with U+00A0 in it: two words. */
    const char *const texts[] = {"a red dog", "a dog on a red dog", "1\u00A01/2 dogs"};
    Slice slices[3];
    Words words[3];
    Arena arena = {0};
    Frequencies f = {0}, again;
    Error err = {0};
    char *path = place("df");
    for (size_t i = 0; i < 3; i++) {
        slices[i] = slice_of(texts[i]);
        words[i] = words_of(slices[i], &arena);
    }
    assert_int_equal(words[2].n, 3);
    assert_int_equal(words[2].n_tokens, 2);
    frequencies_add(&f, words, 1, &arena);
    frequencies_add(&f, words + 1, 2, &arena);
    assert_true(fabs(frequencies_log(&f, gram_hash(words[0].words + 1, 1)) - log(2)) < 1e-15); /* "red dog" */
    assert_true(frequencies_write(path, &f, slices, 3, &err));
    assert_true(frequencies_read(&again, path, &err));
    assert_int_equal(again.images, 2);
    assert_int_equal(again.counts.count, f.counts.count);
    assert_string_equal(frequencies_digest(&again).text, frequencies_digest(&f).text);
    unlink(path);
    free(path);
    frequencies_release(&f);
    frequencies_release(&again);
    arena_release(&arena);
}

static void refused(const char *text, const char *why, int status)
{
    Frequencies f;
    Error err = {0};
    char *path = place("bad");
    assert_true(file_write(path, text, strlen(text), &err));
    assert_false(frequencies_read(&f, path, &err));
    assert_non_null(strstr(err.text, why));
    assert_int_equal(err.status, status);
    frequencies_release(&f);
    unlink(path);
    free(path);
}

#define HEADER "{\"vlrm\": 1, \"tokenizer\": \"" PTB_NAME "\", \"images\": 2, \"grams\": 2}\n"

static void damaged_frequencies_are_refused(void **state)
{
    (void)state;
    refused("", "nothing in it", STATUS_EMPTY);
    refused("[]\n", "line 1: expected", STATUS_CORRUPT);
    refused("{\"vlrm\": 1, \"tokenizer\": \"x\", \"images\": 2, \"grams\": 2}\n", "another tokenizer", STATUS_MISMATCH);
    refused(HEADER "1\ta\n", "1 n-grams, line 1 says 2", STATUS_CORRUPT);
    refused(HEADER "1\ta\n3\tb\n", "line 3: expected COUNT", STATUS_CORRUPT);
    refused(HEADER "1\ta\n1\ta\n", "line 3: expected COUNT", STATUS_CORRUPT);
    refused(HEADER "1\ta\n1\ta b c d e\n", "line 3: expected COUNT", STATUS_CORRUPT);
    refused(HEADER "1\ta\n1\tb", "line 3 is cut short", STATUS_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_those_of_pycocoevalcap),
        cmocka_unit_test(a_text_may_be_of_any_size_and_kind),
        cmocka_unit_test(frequencies_come_back_from_their_file),
        cmocka_unit_test(damaged_frequencies_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
