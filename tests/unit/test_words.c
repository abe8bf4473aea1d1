/*
 * The word rules: against the oracle's on random captions (tests/golden/words.jsonl, made by tests/golden/make_words.py), the
 * cases of the paper's Table 1, hard cases by hand, and lists that are no lists.
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
#include "text/words.h"

#define VOCABULARY "tests/golden/tokenizers/opt"

static Arena arena;
static Tokenizer *tokenizer;

static Slice slice(const char *s)
{
    return (Slice){s, strlen(s)};
}

/* ---- against the oracle ---- */

static WordRules *rules_of_json(const json_t *object)
{
    Slice lists[2][512];
    size_t sizes[2];
    const char *const keys[] = {"phrases", "exempt"};
    for (int k = 0; k < 2; k++) {
        json_t *array = json_object_get(object, keys[k]), *s;
        size_t i;
        assert_true(json_array_size(array) <= 512);
        sizes[k] = json_array_size(array);
        json_array_foreach (array, i, s) {
            lists[k][i] = (Slice){json_string_value(s), json_string_length(s)};
        }
    }
    Error err = {0};
    WordRules *r = word_rules_new(lists[0], sizes[0], lists[1], sizes[1], &err);
    if (!r)
        fail_msg("%s", err.text);
    return r;
}

static void compare_marks(const json_t *line, int number, const char *key, const uint8_t *got, size_t n)
{
    json_t *want = json_object_get(line, key);
    assert_int_equal(json_array_size(want), n);
    for (size_t i = 0; i < n; i++)
        if (got[i] != json_integer_value(json_array_get(want, i)))
            fail_msg("line %d: %s[%zu] is %d: %.600s", number, key, i, got[i], json_dumps(line, JSON_ENSURE_ASCII));
}

/* `fired` must explain the marks: every marked token lies in a match of its rule, every match marks its tokens. */
static void check_fired(const WordMarks *m)
{
    uint8_t *bad = arena_calloc(&arena, m->count + 1, 1), *repeat = arena_calloc(&arena, m->count + 1, 1);
    for (size_t i = 0; i < m->n_fired; i++) {
        const WordFired *f = &m->fired[i];
        assert_true(f->start < f->end && f->end <= m->count && f->text.size > 0);
        assert_true(i == 0 || f->text.data >= f[-1].text.data);
        memset((f->rule == WORD_REPEAT ? repeat : bad) + f->start, 1, f->end - f->start);
    }
    assert_true(m->count == 0 || !memcmp(bad, m->bad, m->count));
    assert_true(m->count == 0 || !memcmp(repeat, m->repeat, m->count));
}

static void compare_caption(const WordRules *rules, const Tokenizer *t, const json_t *line, int number)
{
    json_t *ids = json_object_get(line, "ids"), *text = json_object_get(line, "text"), *id;
    size_t i, n = json_array_size(ids);
    int32_t *numbers = arena_alloc(&arena, (n + 1) * sizeof *numbers);
    CaptionText caption;
    WordMarks marks;
    json_array_foreach (ids, i, id) {
        numbers[i] = (int32_t)json_integer_value(id);
    }
    tokenizer_caption(&caption, &arena, t, numbers, n);
    if (caption.text.size != json_string_length(text) || memcmp(caption.text.data, json_string_value(text), caption.text.size))
        fail_msg("line %d: the text is \"%.*s\"", number, (int)caption.text.size, caption.text.data);
    word_rules_apply(&marks, &arena, rules, &caption);
    compare_marks(line, number, "bad", marks.bad, marks.count);
    compare_marks(line, number, "repeat", marks.repeat, marks.count);
    check_fired(&marks);
}

static void compare_file(const Tokenizer *t, const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = NULL;
    size_t capacity = 0;
    int number = 0;
    WordRules *rules = NULL;
    assert_non_null(f);
    while (getline(&text, &capacity, f) > 0) {
        json_t *line = json_loads(text, JSON_ALLOW_NUL, NULL);
        assert_non_null(line);
        number++;
        arena_reset(&arena);
        if (json_object_get(line, "phrases")) {
            word_rules_free(rules);
            rules = rules_of_json(line);
        } else {
            compare_caption(rules, t, line, number);
        }
        json_decref(line);
    }
    assert_true(number > 0);
    word_rules_free(rules);
    free(text);
    fclose(f);
}

static void test_oracle(void **state)
{
    (void)state;
    compare_file(tokenizer, "tests/golden/words.jsonl");
}

/* ---- by hand ---- */

/* One case: a caption cut into tokens at '|', and the marks expected of each, as strings of 0 and 1. */
typedef struct Case {
    const char *tokens, *bad, *repeat;
} Case;

static CaptionText caption_of(const char *tokens)
{
    CaptionText c = {0};
    char *text = arena_alloc(&arena, strlen(tokens) + 1);
    c.tokens = arena_alloc(&arena, (strlen(tokens) + 1) * sizeof *c.tokens);
    c.whole.data = text;
    for (const char *p = tokens; *p; p++) {
        size_t start = c.whole.size;
        for (; *p && *p != '|'; p++)
            text[c.whole.size++] = *p;
        c.tokens[c.count++] = (TextRange){start, c.whole.size};
        if (!*p)
            break;
    }
    c.text = c.whole;
    return c;
}

static void check_cases(const WordRules *rules, const Case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        WordMarks m;
        char bad[80] = "", repeat[80] = "";
        CaptionText c = caption_of(cases[i].tokens);
        word_rules_apply(&m, &arena, rules, &c);
        for (size_t k = 0; k < m.count; k++) {
            bad[k] = (char)('0' + m.bad[k]);
            repeat[k] = (char)('0' + m.repeat[k]);
        }
        if (strcmp(bad, cases[i].bad) || strcmp(repeat, cases[i].repeat))
            fail_msg("%s: bad %s repeat %s, expected %s %s", cases[i].tokens, bad, repeat, cases[i].bad, cases[i].repeat);
        check_fired(&m);
    }
}

static WordRules *rules_of(const Slice *phrases, size_t n)
{
    const Slice exempt[] = {slice("a"),  slice("an"),    slice("the"),        slice("of"),
                            slice("in"), slice("Green"), slice("stra\u00dfe")};
    Error err = {0};
    WordRules *r = word_rules_new(phrases, n, exempt, sizeof exempt / sizeof *exempt, &err);
    if (!r)
        fail_msg("%s", err.text);
    return r;
}

/* The paper's example and its own two phrases: the first three and "is talking about" are bad, the second "shirt" repeats. */
static void test_table_1(void **state)
{
    (void)state;
    const Slice phrases[] = {slice("an image of"), slice("is talking about")};
    const Case cases[] = {{"an| image| of| a| man| in| green| shirt| and| green| shirt| is| talking| about|\n", "111000000001110",
                           "000000000010000"}};
    WordRules *rules = rules_of(phrases, 2);
    check_cases(rules, cases, 1);
    CaptionText c = caption_of(cases[0].tokens);
    WordMarks m;
    word_rules_apply(&m, &arena, rules, &c);
    assert_int_equal(m.n_fired, 3);
    assert_string_equal(word_rule_name(m.fired[0].rule), "bad");
    assert_memory_equal(m.fired[0].text.data, "an image of", m.fired[0].text.size);
    assert_int_equal(m.fired[0].end, 3);
    assert_string_equal(word_rule_name(m.fired[1].rule), "repeat");
    assert_int_equal(m.fired[1].start, 10);
    assert_int_equal(m.fired[2].start, 11);
    assert_int_equal(m.fired[2].end, 14);
    word_rules_free(rules);
}

static void test_hard_cases(void **state)
{
    (void)state;
    const Slice phrases[] = {slice("an image of"),         slice("image of a"), slice("a tv"), slice("tv"),
                             slice("in webcam is shown,"), slice("man's"),      slice("clip"), slice("\u00c9t\u00e9"),
                             slice("  video \t of "),      slice("fish")};
    const Case cases[] = {
        {"", "", ""},
        {"\n", "0", "0"},
        {"clip", "1", "0"},
        {"a| clip", "01", "00"},                    /* at the very end */
        {"cl|ip| art", "110", "000"},               /* split over tokens */
        {"a| clipping| of| eclip", "0000", "0000"}, /* prefixes and suffixes of words */
        {"clip's", "1", "0"},                       /* an apostrophe is a boundary for phrases */
        {"clip-art", "1", "0"},
        {"an| image| of| a| tv", "11111", "00000"},      /* overlapping: "image of a", "a tv", "tv" */
        {"in| webcam| is| shown|, 1", "11111", "00000"}, /* "shown," */
        {"in| webcam| is| shown| ,", "00000", "00000"},
        {"in| webcam| is| shown|,|x", "000000", "000000"}, /* a letter directly behind */
        {"A|N|  I|MAGE\n|of", "11111", "00000"},           /* case, doubled space, newline */
        {"an\u00a0\u3000image| of", "11", "00"},
        {"an\u200bimage of", "0", "0"},         /* no white space */
        {"the| man\u2019s| hat", "010", "000"}, /* another apostrophe */
        {"1993| clip", "11", "00"},
        {"in| the| 19|90|s", "00110", "00000"},            /* "1990s" */
        {"19934| 199| 1234|5| 12a1993", "00001", "00000"}, /* five digits are no year, 1993 beside a letter is */
        {"\u06611993", "1", "0"},                          /* only ASCII digits count */
        {"clip| and| clip", "101", "001"},                 /* a repeat inside a bad phrase */
        {"shirt| shirts| shirt|ed", "0000", "0000"},       /* other words */
        {"Shirt| SHIRT| sh|irt", "0000", "0111"},
        {"green| GREEN| the| The", "0000", "0000"},        /* exempt */
        {"stra\u00dfe| STRASSE", "00", "00"},              /* exempt by full case folding */
        {"x-ray| x| ray| x-ray| X-RAY", "00000", "00011"}, /* a compound is one word */
        {"it's| it| s| it\u2019s", "0000", "0000"},        /* the apostrophes differ as words */
        {"'a'| rock|-| rock", "0000", "0001"},
        {"\u00c9T\u00c9| e\u0301te\u0301", "10", "00"}, /* composed is not decomposed */
        {"\u732b| \u732b", "00", "01"},
        {"Video   of|x", "00", "00"},
        {"video   of| x", "10", "00"},
        {"f\u0130sh| F\u0131sh| FISH| fish", "1011", "0001"}, /* the dotted and the dotless i of regex's IGNORECASE */
        {"a|||| tv", "11111", "00000"},                       /* tokens without bytes inside a match */
    };
    WordRules *rules = rules_of(phrases, sizeof phrases / sizeof *phrases);
    check_cases(rules, cases, sizeof cases / sizeof *cases);
    word_rules_free(rules);
}

/* 60 tokens without eos, and a text of many kilobytes. */
static void test_long(void **state)
{
    (void)state;
    const Slice phrases[] = {slice("a a a")};
    WordRules *rules = rules_of(phrases, 1);
    char text[6001];
    for (int i = 0; i < 6000; i += 3)
        memcpy(text + i, "a |", 3);
    text[5999] = 0;
    CaptionText c = caption_of(text);
    WordMarks m;
    word_rules_apply(&m, &arena, rules, &c);
    assert_int_equal(m.count, 2000);
    assert_int_equal(m.n_fired, 1998);
    for (size_t i = 0; i < m.count; i++)
        assert_true(m.bad[i] == 1 && m.repeat[i] == 0);
    word_rules_free(rules);
}

/* ---- lists ---- */

static void expect_list_error(const char *content, size_t size, const char *says)
{
    char path[] = "/tmp/test_words_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, content, size) == (ssize_t)size);
    close(fd);
    Error err = {0};
    WordRules *r = word_rules_open(path, NULL, &err);
    unlink(path);
    if (!says) {
        assert_non_null(r);
        word_rules_free(r);
        return;
    }
    assert_null(r);
    if (!strstr(err.text, says) || !strstr(err.text, path))
        fail_msg("\"%s\" does not name %s and \"%s\"", err.text, path, says);
}

#define LIST(text) text, sizeof text - 1

static void test_lists(void **state)
{
    (void)state;
    expect_list_error(LIST(""), NULL);
    expect_list_error(LIST("# nothing\n\n  \t\n"), NULL);
    expect_list_error(LIST("\xEF\xBB\xBFwith a mark\r\nand none\r\n"), NULL);
    expect_list_error(LIST("fine\nnot\xFFutf8\n"), ":2: invalid UTF-8 at byte 3");
    expect_list_error(LIST("fine\n\n#\xC3\n"), ":3: invalid UTF-8 at byte 1");
    expect_list_error(LIST("zero\0byte\n"), ":1: U+0000");
    expect_list_error(LIST("a\rb\n"), ":1: U+000D");
    expect_list_error(LIST("a\n\nb\u2028c"), ":3: U+2028");
    Error err = {0};
    assert_null(word_rules_open("/no/such/list", NULL, &err));
    assert_non_null(strstr(err.text, "/no/such/list"));
    const Slice empty[] = {slice("good"), slice(" \t ")};
    err = (Error){0};
    assert_null(word_rules_new(empty, 2, NULL, 0, &err));
    assert_string_equal(err.text, "phrase 2: the phrase is empty");
}

/* The lists that the suite ships. */
static void test_shipped_lists(void **state)
{
    (void)state;
    Error err = {0};
    WordRules *rules = word_rules_open("share/bad-phrases.txt", "share/exempt-words.txt", &err);
    if (!rules)
        fail_msg("%s", err.text);
    const Case cases[] = {{"Footage| of| the| red| red| car| under| under| the| car", "1000000000", "0000000001"}};
    check_cases(rules, cases, 1);
    word_rules_free(rules);
}

static const char *const *given;

static void test_given(void **state)
{
    (void)state;
    Error err = {0};
    Tokenizer *t = tokenizer_open(given[0], &err);
    if (!t)
        fail_msg("%s", err.text);
    compare_file(t, given[1]);
    tokenizer_free(t);
}

static int setup(void **state)
{
    (void)state;
    Error err = {0};
    tokenizer = tokenizer_open(VOCABULARY, &err);
    return tokenizer ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    tokenizer_free(tokenizer);
    arena_release(&arena);
    return 0;
}

/* test_words FOLDER FILE compares with a file of make_words.py for the vocabulary in FOLDER. */
int main(int argc, char **argv)
{
    const struct CMUnitTest one[] = {cmocka_unit_test(test_given)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oracle), cmocka_unit_test(test_table_1), cmocka_unit_test(test_hard_cases),
        cmocka_unit_test(test_long),   cmocka_unit_test(test_lists),   cmocka_unit_test(test_shipped_lists),
    };
    given = (const char *const *)argv + 1;
    if (argc == 3)
        return cmocka_run_group_tests(one, NULL, NULL);
    return cmocka_run_group_tests(tests, setup, teardown);
}
