/* What is called a collapse: fixed limits of every step, and medians against what the run itself was like, also after a resume.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "update/collapse.h"

static const CollapseLimits limits = {.min_entropy = 0.05,
                                      .min_length = 2,
                                      .max_value_loss = 1000,
                                      .entropy_rise = 1.5,
                                      .entropy_fall = 0.25,
                                      .value_loss_rise = 4};

/* Steps alike, but for a little noise without chance. */
static Signs ordinary(int64_t i)
{
    return (Signs){1.4 + 0.1 * sin((double)i), 12, 70 + 20 * cos(3 * (double)i)};
}

/* Takes n ordinary steps, none of which may alarm. */
static RunSigns ordinary_run(int64_t n)
{
    RunSigns run = {0};
    while (run.steps < n) {
        assert_null(collapse_find(&limits, &run, ordinary(run.steps)).metric);
        signs_add(&run, ordinary(run.steps));
    }
    return run;
}

/* How many steps like this one come before the alarm, and what it is of. At most 50. */
static int steps_until_alarm(RunSigns run, const CollapseLimits *with, Signs step, const char **metric)
{
    int n = 0;
    while (n < 50) {
        const Collapse c = collapse_find(with, &run, step);
        *metric = c.metric;
        if (c.metric)
            break;
        signs_add(&run, step);
        n++;
    }
    return n;
}

static void ordinary_runs_are_quiet(void **state)
{
    (void)state;
    ordinary_run(300);
}

static void far_from_the_first_steps(void **state)
{
    (void)state;
    const RunSigns run = ordinary_run(40);
    const Signs disorder = {2.3, 13, 80}, frozen = {0.2, 13, 80}, wild = {1.4, 13, 500};
    const char *metric;
    assert_in_range(steps_until_alarm(run, &limits, disorder, &metric), 4, 6); /* half of the last ten */
    assert_string_equal(metric, "entropy");
    assert_in_range(steps_until_alarm(run, &limits, frozen, &metric), 4, 6);
    assert_string_equal(metric, "entropy");
    assert_in_range(steps_until_alarm(run, &limits, wild, &metric), 4, 6);
    assert_string_equal(metric, "value_loss");
    const CollapseLimits off = {.min_entropy = 0.05, .min_length = 2, .max_value_loss = 1000};
    assert_int_equal(steps_until_alarm(run, &off, disorder, &metric), 50);
    assert_int_equal(steps_until_alarm(run, &off, wild, &metric), 50);
}

static void a_few_wild_steps_are_no_collapse(void **state)
{
    (void)state;
    RunSigns run = ordinary_run(40);
    for (int i = 0; i < 40; i++) {
        const Signs step = i % 3 == 0 ? (Signs){1.4, 12, 900} : ordinary(i);
        assert_null(collapse_find(&limits, &run, step).metric);
        signs_add(&run, step);
    }
}

/* Values begin at 0: the loss is high at first and falls, and what it rises above is its lowest, not its first. */
static void a_loss_that_fell_and_rises_again(void **state)
{
    (void)state;
    RunSigns run = {0};
    const char *metric;
    while (run.steps < 100) {
        const Signs step = {1.3, 10, 700 * exp(-(double)run.steps / 20) + 90};
        assert_null(collapse_find(&limits, &run, step).metric);
        signs_add(&run, step);
    }
    steps_until_alarm(run, &limits, (Signs){1.3, 10, 300}, &metric);
    assert_null(metric);
    assert_in_range(steps_until_alarm(run, &limits, (Signs){1.3, 10, 500}, &metric), 4, 6);
    assert_string_equal(metric, "value_loss");
}

static void fixed_limits_hold_from_the_first_step(void **state)
{
    (void)state;
    const RunSigns none = {0};
    assert_string_equal(collapse_find(&limits, &none, (Signs){0.04, 12, 1}).metric, "entropy");
    assert_string_equal(collapse_find(&limits, &none, (Signs){1, 1.9, 1}).metric, "length");
    assert_string_equal(collapse_find(&limits, &none, (Signs){1, 12, 1001}).metric, "value_loss");
    assert_null(collapse_find(&limits, &none, (Signs){1, 12, NAN}).metric);
}

static void supervised_training_is_not_compared(void **state)
{
    (void)state;
    RunSigns run = {0};
    CollapseLimits supervised = limits;
    supervised.entropy_fall = supervised.entropy_rise = 0;
    for (int i = 0; i < 60; i++) {
        const Signs step = {3 * pow(0.94, i), 12, NAN}; /* entropy falls as captions are learned */
        assert_null(collapse_find(&supervised, &run, step).metric);
        signs_add(&run, step);
    }
    assert_string_equal(collapse_find(&limits, &run, (Signs){0.3, 12, NAN}).metric, "entropy"); /* without a value head it is */
}

/* Whatever step a run is interrupted at, what it goes on with decides as before, to the bit. */
static void what_is_kept_of_a_run_is_all_of_it(void **state)
{
    (void)state;
    RunSigns run = {0};
    for (int64_t i = 0; i < 45; i++) {
        json_t *kept = signs_json(&run);
        char *text = json_dumps(kept, JSON_REAL_PRECISION(17));
        json_t *read = json_loads(text, 0, NULL);
        const RunSigns again = signs_from_json(read);
        assert_memory_equal(&again, &run, sizeof run);
        json_decref(read);
        json_decref(kept);
        free(text);
        signs_add(&run, (Signs){1 / (3.0 + (double)i), (double)i / 7, sqrt((double)i)});
    }
    const RunSigns nothing = {0}, old = signs_from_json(NULL);
    assert_memory_equal(&old, &nothing, sizeof old);
}

static void the_warning_says_what_was_found_and_expected(void **state)
{
    (void)state;
    char *text = collapse_text(&(Collapse){"value_loss", 501.33, 312, 4});
    assert_string_equal(text, "value_loss is outside its limits: in the last 10 steps its median is 501.3, expected at most 312, "
                              "4 times the lowest before");
    free(text);
    text = collapse_text(&(Collapse){"length", 1.5, 2, 0});
    assert_string_equal(text, "length is outside its limits: 1.5, expected at least 2");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_runs_are_quiet),
        cmocka_unit_test(far_from_the_first_steps),
        cmocka_unit_test(a_few_wild_steps_are_no_collapse),
        cmocka_unit_test(a_loss_that_fell_and_rises_again),
        cmocka_unit_test(fixed_limits_hold_from_the_first_step),
        cmocka_unit_test(supervised_training_is_not_compared),
        cmocka_unit_test(what_is_kept_of_a_run_is_all_of_it),
        cmocka_unit_test(the_warning_says_what_was_found_and_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
