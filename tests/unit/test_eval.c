/* vlrm-eval's arithmetic by hand: ranks and ties, intervals, differences, words, cuts, the table of places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "eval/checks.h"
#include "eval/metrics.h"
#include "eval/recall.h"
#include "eval/statistics.h"

static Slice slice(const char *s)
{
    return (Slice){s, strlen(s)};
}

/* ---- recall ---- */

static void ranks_count_what_is_strictly_closer(void **state)
{
    (void)state;
    const real a[] = {1, 0}, b[] = {0, 1}, c[] = {1, 0}; /* a and c are the same */
    const real *images[] = {a, b, c};
    const real texts[] = {1, 0, /* a's: ties with c */ 1, 0, /* b's: a and c are closer */ 0.6F, 0.8F /* c's: b is closer */};
    const size_t own[] = {0, 1, 2};
    size_t ranks[3], back[3];
    double cosines[3];
    recall_ranks(ranks, back, cosines, texts, 3, images, 3, own, 2);
    assert_int_equal(ranks[0], 1);
    assert_int_equal(ranks[1], 3);
    assert_int_equal(ranks[2], 2);
    assert_int_equal(back[0], 1); /* the second text ties */
    assert_int_equal(back[1], 2); /* its own has 0, the third 0.8 */
    assert_int_equal(back[2], 3); /* its own has 0.6, two have 1 */
    assert_true(cosines[1] == 0);
}

static void an_image_without_a_text_has_no_rank(void **state)
{
    (void)state;
    const real a[] = {1, 0}, b[] = {0, 1}, texts[] = {0, 1, 1, 0};
    const real *images[] = {a, b};
    const size_t own[] = {0, 0};
    size_t ranks[2], back[2];
    double cosines[2];
    recall_ranks(ranks, back, cosines, texts, 2, images, 2, own, 2);
    assert_int_equal(ranks[0], 2);
    assert_int_equal(ranks[1], 1);
    assert_int_equal(back[0], 1); /* its own texts are no rivals of one another */
    assert_int_equal(back[1], 0);
}

static void dots_are_of_all_columns(void **state)
{
    (void)state;
    real x[19], y[19];
    double want = 0;
    for (int i = 0; i < 19; i++) {
        x[i] = (real)(i + 1);
        y[i] = (real)(2 * i - 7);
        want += (double)x[i] * (double)y[i];
    }
    assert_true(row_dot(x, y, 19) == want);
}

/* ---- metrics ---- */

static void table(Metrics *m, size_t units, const double *values, const char *const *ids)
{
    metrics_init(m, units, 1);
    m->names[0] = xstrdup("x");
    for (size_t i = 0; i < units; i++) {
        m->ids[i] = xstrdup(ids[i]);
        m->values[i] = values[i];
    }
}

static void a_bootstrap_interval_is_as_wide_as_theory_says(void **state)
{
    (void)state;
    Metrics m;
    Interval v, again, narrow;
    metrics_init(&m, 1000, 1);
    m.names[0] = xstrdup("x");
    for (size_t i = 0; i < 1000; i++) { /* a fifth are ones: standard error 0.01265 */
        m.ids[i] = xstrdup("");
        m.values[i] = i % 5 == 0;
    }
    bootstrap(&v, &m, 1, 2000, 0.95);
    assert_true(fabs(v.mean - 0.2) < 1e-12);
    assert_true(fabs((v.high - v.low) / (2 * 1.96 * 0.012649) - 1) < 0.06);
    assert_true(fabs((v.high + v.low) / 2 - 0.2) < 0.003);
    bootstrap(&again, &m, 1, 2000, 0.95);
    assert_true(again.low == v.low && again.high == v.high);
    bootstrap(&narrow, &m, 1, 2000, 0.5);
    assert_true(narrow.low > v.low && narrow.high < v.high);
    bootstrap(&v, &m, 1, 0, 0.95);
    assert_true(v.low == v.mean && v.high == v.mean);
    metrics_release(&m);
}

static void differences_are_paired_by_id(void **state)
{
    (void)state;
    Metrics a, b, d;
    Error err = {0};
    table(&a, 3, (const double[]){1, 2, 3}, (const char *const[]){"p", "q", "r"});
    table(&b, 3, (const double[]){30, 10, 20}, (const char *const[]){"r", "p", "q"});
    assert_true(metrics_difference(&d, &a, &b, &err));
    assert_true(d.values[0] == -9 && d.values[1] == -18 && d.values[2] == -27);
    metrics_release(&d);
    free(b.ids[0]);
    b.ids[0] = xstrdup("s");
    assert_false(metrics_difference(&d, &a, &b, &err));
    assert_int_equal(err.status, STATUS_MISMATCH);
    assert_non_null(strstr(err.text, "image r"));
    metrics_release(&a);
    metrics_release(&b);
}

static void only_common_columns_are_compared(void **state)
{
    (void)state;
    Metrics a, b, d;
    Error err = {0};
    metrics_init(&a, 2, 2);
    a.names[0] = xstrdup("only");
    a.names[1] = xstrdup("x");
    for (size_t i = 0; i < 2; i++) {
        a.ids[i] = xstrdup(i ? "q" : "p");
        a.values[2 * i] = 100;
        a.values[2 * i + 1] = (double)i + 5;
    }
    table(&b, 2, (const double[]){1, 2}, (const char *const[]){"p", "q"});
    assert_true(metrics_difference(&d, &a, &b, &err));
    assert_int_equal(d.n, 1);
    assert_true(d.values[0] == 4 && d.values[1] == 4);
    metrics_release(&a);
    metrics_release(&b);
    metrics_release(&d);
}

/* ---- checks ---- */

static char *said_of(CheckKind kind, const char *text, double mean)
{
    Metrics m;
    Error err = {0};
    Check c;
    char *said = NULL;
    Interval v = {mean, mean, mean};
    metrics_init(&m, 1, 1);
    m.names[0] = xstrdup("r@1");
    assert_true(check_parse(&c, kind, text, &err));
    assert_true(check_apply(&said, &c, &m, &v, &err));
    metrics_release(&m);
    return said;
}

static void limits_hold_at_the_limit(void **state)
{
    (void)state;
    const struct {
        CheckKind kind;
        const char *text;
        double mean;
        bool bad;
    } cases[] = {
        {CHECK_BELOW, "r@1=0.9", 0.9, false},  {CHECK_BELOW, "r@1=0.9", 0.8999, true}, {CHECK_ABOVE, "r@1=0.1", 0.1, false},
        {CHECK_ABOVE, "r@1=0.1", 0.11, true},  {CHECK_DROP, "0.005", -0.005, false},   {CHECK_DROP, "0.005", -0.0051, true},
        {CHECK_DROP, "r@1=0.005", 0.5, false}, {CHECK_BELOW, "r@1=0.9", NAN, true},    {CHECK_DROP, "0.005", NAN, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *said = said_of(cases[i].kind, cases[i].text, cases[i].mean);
        assert_int_equal(said != NULL, cases[i].bad);
        free(said);
    }
}

static void wrong_limits_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"0.9", "=0.9", "r@1=", "r@1=x", ""};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        Check c;
        Error err = {0};
        assert_false(check_parse(&c, CHECK_BELOW, wrong[i], &err));
        assert_int_equal(err.status, STATUS_USAGE);
    }
}

/* ---- texts ---- */

static void words_are_counted_as_the_rules_see_them(void **state)
{
    (void)state;
    Error err = {0};
    Arena arena = {0};
    WordList colours = {0};
    TextTotals totals = {0};
    WordRules *rules = word_rules_open("share/bad-phrases.txt", "share/exempt-words.txt", &err);
    assert_non_null(rules);
    assert_true(word_list_read(&colours, "share/colour-words.txt", &err));
    TextCounts c =
        statistics_add(&totals, slice("There is a RED dog's bowl, a red Dog's bowl (in 1993) well-lit"), rules, &colours, &arena);
    assert_int_equal(c.words, 13);
    assert_int_equal(c.colours, 2);
    assert_int_equal(c.bad, 2);     /* there is; the year */
    assert_int_equal(c.repeats, 2); /* dog's, bowl: red and a are exempt */
    assert_int_equal(places_count(&totals.grams[0]), 9);
    assert_int_equal(totals.all[0], 13);
    assert_int_equal(totals.all[3], 10);
    c = statistics_add(&totals, slice("a red"), rules, &colours, &arena);
    assert_int_equal(totals.all[2], 11); /* n-grams do not cross captions */
    assert_int_equal(places_count(&totals.grams[1]), 9);
    c = statistics_add(&totals, slice("\xff ..."), rules, &colours, &arena);
    assert_int_equal(c.words, 0);
    assert_int_equal(totals.empty, 1);
    totals_release(&totals);
    word_list_release(&colours);
    word_rules_free(rules);
    arena_release(&arena);
}

static void a_cut_is_of_characters(void **state)
{
    (void)state;
    assert_int_equal(text_cut(slice("aé€x"), 3).size, 6);
    assert_int_equal(text_cut(slice("aé"), 300).size, 3);
    assert_int_equal(text_cut(slice("abc"), 0).size, 0);
}

static void places_keep_what_was_first(void **state)
{
    (void)state;
    Places p = {0};
    assert_true(places_find(&p, 5) == SIZE_MAX);
    for (uint64_t i = 1; i < 5000; i++)
        assert_true(places_add(&p, i * 1024, (size_t)i));
    assert_false(places_add(&p, 1024, 7));
    for (uint64_t i = 1; i < 5000; i++)
        assert_int_equal(places_find(&p, i * 1024), i);
    assert_true(places_find(&p, 3) == SIZE_MAX);
    assert_int_equal(places_count(&p), 4999);
    places_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_count_what_is_strictly_closer),
        cmocka_unit_test(an_image_without_a_text_has_no_rank),
        cmocka_unit_test(dots_are_of_all_columns),
        cmocka_unit_test(a_bootstrap_interval_is_as_wide_as_theory_says),
        cmocka_unit_test(differences_are_paired_by_id),
        cmocka_unit_test(only_common_columns_are_compared),
        cmocka_unit_test(limits_hold_at_the_limit),
        cmocka_unit_test(wrong_limits_are_refused),
        cmocka_unit_test(words_are_counted_as_the_rules_see_them),
        cmocka_unit_test(a_cut_is_of_characters),
        cmocka_unit_test(places_keep_what_was_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
