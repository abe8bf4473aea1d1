/*
 * Parts of the reward standardised within groups, against the reference's GDPO (tests/golden/advantages): unequal lengths, groups
 * of one, parts and groups without spread, groups scattered over the batch. And what holds of any batch.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_file.h"
#include "stage/standardise.h"

enum { MOST = 64 };

static Arena arena;

static void assert_near(double found, double expected, double tolerance)
{
    if (!(fabs(found - expected) <= tolerance))
        fail_msg("found %.15g, expected %.15g", found, expected);
}

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static uint8_t *marks(const json_t *array)
{
    size_t n = json_array_size(array);
    uint8_t *out = arena_calloc(&arena, n + 1, 1);
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)json_integer_value(json_array_get(array, i));
    return out;
}

static Rewarded waited_of(const json_t *line)
{
    const json_t *reward = json_object_get(line, "reward"), *bad = json_object_get(reward, "bad");
    const char *image = json_string_value(json_object_get(line, "image"));
    Rewarded w = {.group = hash_id(image, strlen(image))};
    w.reward =
        (Reward){.itm = number(reward, "sim"),
                 .phi = NAN,
                 .ref = number(reward, "ref"),
                 .noeos = json_integer_value(json_object_get(reward, "noeos")) != 0,
                 .marks = {.bad = marks(bad), .repeat = marks(json_object_get(reward, "repeat")), .count = json_array_size(bad)}};
    return w;
}

static size_t read_cases(json_t **lines, Rewarded *items)
{
    FILE *f = fopen("tests/golden/advantages/captions.jsonl", "r");
    size_t n = 0;
    assert_non_null(f);
    while (n < MOST && (lines[n] = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL)))
        items[n] = waited_of(lines[n]), n++;
    fclose(f);
    assert_int_equal(n, 50);
    return n;
}

static Weights read_weights(void)
{
    Error err = {0};
    json_t *w = json_file_read("tests/golden/advantages/weights.json", &err);
    assert_non_null(w);
    const Weights out = {.sim = number(w, "sim"),
                         .ref = number(w, "ref"),
                         .noeos = number(w, "noeos"),
                         .bad = number(w, "bad"),
                         .repeat = number(w, "repeat"),
                         .good = 5, /* nothing is good */
                         .gamma = 1};
    json_decref(w);
    return out;
}

static void release(json_t **lines, size_t n)
{
    for (size_t i = 0; i < n; i++)
        json_decref(lines[i]);
    arena_release(&arena);
}

static void within_groups_it_is_the_references(void **state)
{
    (void)state;
    json_t *lines[MOST];
    Rewarded items[MOST];
    const size_t n = read_cases(lines, items);
    const Weights w = read_weights();
    rewards_standardise(items, n, &w, STANDARDISE_GROUP, &arena);
    for (size_t i = 0; i < n; i++) {
        const json_t *expected = json_object_get(lines[i], "gdpo");
        assert_int_equal(json_array_size(expected), items[i].reward.marks.count);
        for (size_t k = 0; k < items[i].reward.marks.count; k++)
            assert_near(items[i].reward.returns[k], json_number_value(json_array_get(expected, k)), 1e-10);
    }
    release(lines, n);
}

/* One part alone, over the batch: R(t_1) has mean 0 and a deviation of std / (std + 1e-4). */
static void over_the_batch_a_part_has_mean_0_and_deviation_1(void **state)
{
    (void)state;
    json_t *lines[MOST];
    Rewarded items[MOST];
    const size_t n = read_cases(lines, items);
    rewards_standardise(items, n, &(Weights){.sim = 1, .gamma = 1}, STANDARDISE_BATCH, &arena);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += items[i].reward.returns[0];
        squares += items[i].reward.returns[0] * items[i].reward.returns[0];
    }
    assert_near(sum, 0, 1e-10);
    assert_near(sqrt(squares / (double)(n - 1)), 1, 1e-3);
    release(lines, n);
}

/* A greedy caption is standardised as the others are, and changes nothing of theirs; one that failed is left alone. */
static void what_is_only_compared_with_counts_in_no_mean(void **state)
{
    (void)state;
    json_t *lines[MOST];
    Rewarded items[MOST], more[MOST + 2];
    const size_t n = read_cases(lines, items);
    const Weights w = read_weights();
    memcpy(more, items, n * sizeof *items);
    more[n] = items[0];
    more[n].baseline = true;
    more[n].reward.itm = 1000;
    more[n + 1] = (Rewarded){.failed = true};
    rewards_standardise(items, n, &w, STANDARDISE_GROUP, &arena);
    rewards_standardise(more, n + 2, &w, STANDARDISE_GROUP, &arena);
    for (size_t i = 0; i < n; i++)
        assert_memory_equal(more[i].reward.returns, items[i].reward.returns, items[i].reward.marks.count * sizeof(double));
    assert_null(more[n + 1].reward.returns);
    release(lines, n);
}

/* The weighted sum of parts is the return, whatever the weights. */
static void parts_sum_to_the_return(void **state)
{
    (void)state;
    json_t *lines[MOST];
    Rewarded items[MOST];
    const size_t n = read_cases(lines, items);
    const Weights w = {.sim = 0.7, .ref = 2, .noeos = 3, .bad = 0.3, .repeat = 1.5, .good = 0.9, .length = -0.2, .gamma = 0.8};
    for (size_t i = 0; i < n; i++) {
        Reward *r = &items[i].reward;
        double part[MOST], sum[MOST] = {0}, returns[MOST];
        r->marks.good = r->marks.repeat; /* any */
        reward_returns(returns, r, &w);
        for (int p = 0; p < REWARD_PARTS; p++) {
            reward_part(part, r, &w, p);
            for (size_t k = 0; k < r->marks.count; k++)
                sum[k] += reward_weight(&w, p) * part[k];
        }
        for (size_t k = 0; k < r->marks.count; k++)
            assert_near(sum[k], returns[k], 1e-12);
    }
    release(lines, n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(within_groups_it_is_the_references),
        cmocka_unit_test(over_the_batch_a_part_has_mean_0_and_deviation_1),
        cmocka_unit_test(what_is_only_compared_with_counts_in_no_mean),
        cmocka_unit_test(parts_sum_to_the_return),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
