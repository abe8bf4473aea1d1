/* The lexer against its definition: of all rules and lengths that match, the longest, then the first; found here by trying all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "text/ptb/lexer.h"

enum { MOST = 16 };

static size_t units_of(uint16_t *units, const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        units[i] = (unsigned char)text[i];
    return n;
}

static void expect(Lexer *l, const char *text, int rule, size_t size)
{
    uint16_t units[MOST];
    size_t found = 0, n = units_of(units, text);
    assert_int_equal(lexer_match(l, units, n, &found), rule);
    if (rule >= 0)
        assert_int_equal(found, size);
}

static void the_longest_counts_and_then_the_first(void **state)
{
    (void)state;
    const LexerRule rules[] = {{"ab", NULL}, {"[a-z]+", NULL}, {"a", "bcd"}, {"x", "y+z"}, {"[^a-z]", NULL}};
    Lexer *l = lexer_new(NULL, 0, rules, 5);
    expect(l, "ab", 0, 2);
    expect(l, "AB", 0, 2); /* either case by itself, as written in a set */
    expect(l, "ac", 1, 2);
    expect(l, "abcd", 1, 4);
    expect(l, "AbCd", 2, 1); /* what is looked at counts, and is not taken */
    expect(l, "Xyyz", 3, 1);
    expect(l, "Xyy", 4, 1);
    expect(l, "", -1, 0);
    lexer_free(l);
}

static void names_sets_and_counts(void **state)
{
    (void)state;
    const LexerRange ranges[] = {{'0', '9'}, {0x660, 0x669}};
    const LexerSet digits = {ranges, 2};
    const LexerName names[] = {{"digit", NULL, &digits}, {"pair", "{digit}{2}", NULL}};
    const LexerRule rules[] = {{"{pair}:{pair}(:{pair}){0,2}", NULL}, {"\\{[\\]-]\\}", NULL}};
    Lexer *l = lexer_new(names, 2, rules, 2);
    const uint16_t arabic[] = {0x661, '0', ':', '5', 0x669};
    size_t size;
    assert_int_equal(lexer_match(l, arabic, 5, &size), 0);
    assert_int_equal(size, 5);
    expect(l, "12:34:5", 0, 5);
    expect(l, "12:34:56:7", 0, 8);
    expect(l, "12:34:56:78:90", 0, 11);
    expect(l, "1:34", -1, 0);
    expect(l, "{]}", 1, 3);
    expect(l, "{-}", 1, 3);
    expect(l, "{a}", -1, 0);
    lexer_free(l);
}

/* ---- random rules and texts ---- */

static size_t pick(uint32_t *at, size_t n)
{
    return random_below(29, 0, 0, (*at)++, n);
}

/* A pattern of a and b, as regcomp reads it too. */
static void pattern_random(char *out, uint32_t *at, int depth)
{
    static const char *const atoms[] = {"[a]", "[b]", "[ab]", "[^a]"}, *const often[] = {"", "", "?", "*", "+", "{1,2}", "{0,2}"};
    size_t parts = 1 + pick(at, 3);
    for (size_t i = 0; i < parts; i++) {
        if (i > 0 && pick(at, 4) == 0)
            strcat(out, "|");
        if (depth > 0 && pick(at, 3) == 0) {
            strcat(out, "(");
            pattern_random(out, at, depth - 1);
            strcat(out, ")");
        } else {
            strcat(out, atoms[pick(at, 4)]);
        }
        strcat(out, often[pick(at, 7)]);
    }
}

static bool matches(const char *pattern, const char *text, size_t n)
{
    char whole[512], part[MOST + 1] = {0};
    regex_t compiled;
    snprintf(whole, sizeof whole, "^(%s)$", pattern);
    memcpy(part, text, n);
    assert_int_equal(regcomp(&compiled, whole, REG_EXTENDED | REG_NOSUB), 0);
    bool found = regexec(&compiled, part, 0, NULL, 0) == 0;
    regfree(&compiled);
    return found;
}

static void random_rules_are_matched_as_by_trying_all(void **state)
{
    (void)state;
    uint32_t at = 0;
    for (int round = 0; round < 300; round++) {
        char patterns[3][256] = {{0}}, text[MOST + 1] = {0};
        LexerRule rules[3] = {{0}};
        for (int i = 0; i < 3; i++) {
            pattern_random(patterns[i], &at, 2);
            rules[i].pattern = patterns[i];
        }
        for (size_t i = 0; i < 8; i++)
            text[i] = "aabc"[pick(&at, 4)];
        int rule = -1;
        size_t size = 0;
        for (size_t n = 8; n > 0 && rule < 0; n--)
            for (int i = 0; i < 3 && rule < 0; i++)
                if (matches(patterns[i], text, n)) {
                    rule = i;
                    size = n;
                }
        Lexer *l = lexer_new(NULL, 0, rules, 3);
        expect(l, text, rule, size);
        expect(l, text, rule, size); /* over states that are there already */
        lexer_free(l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_counts_and_then_the_first),
        cmocka_unit_test(names_sets_and_counts),
        cmocka_unit_test(random_rules_are_matched_as_by_trying_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
