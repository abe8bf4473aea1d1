/* What is chosen from the likeliest tokens is what would be chosen from the whole row: greedy, drawn, by beams; with bans, with
 * ties. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/pool.h"
#include "base/random.h"
#include "decode/beam.h"
#include "decode/candidates.h"

enum { VOCABULARY = 900, ROWS = 4, STEPS = 30, PROMPT = 3 };

static const int32_t prompt[PROMPT] = {7, 7, 2};

/* Rows of logits: smooth ones, or with few different values. */
static void draw_logits(real *logits, uint32_t step, bool ties)
{
    for (size_t i = 0; i < (size_t)ROWS * VOCABULARY; i++) {
        double x = 2 * random_normal(5, step, 1, (uint32_t)i);
        logits[i] = (real)(float)(ties ? round(2 * x) / 2 : x);
    }
}

/* Captions one token after the other; returns how many choices the list settled. */
static int choose_both(const GenerateOptions *o, bool ties)
{
    int settled = 0;
    Arena arena = {0};
    Candidates s;
    candidates_init(&s, &arena, kernels_cpu(COMPUTE_F32), o, VOCABULARY, ROWS, 1, PROMPT + STEPS);
    int32_t ids[ROWS][PROMPT + STEPS];
    real *logits = arena_calloc(&arena, (size_t)ROWS * VOCABULARY, sizeof *logits);
    for (size_t i = 0; i < ROWS; i++)
        memcpy(ids[i], prompt, sizeof prompt);
    for (size_t step = 0; step < STEPS; step++) {
        draw_logits(logits, (uint32_t)step, ties);
        for (size_t i = 0; i < ROWS; i++)
            candidates_ban(&s, i, (History){ids[i], PROMPT + step, PROMPT});
        candidates_fetch(&s, logits, ROWS);
        for (size_t i = 0; i < ROWS; i++) {
            Choices list = candidates_get(&s, i), whole = candidates_whole(&s, i, 0);
            bool suffices = choices_suffice(&list, s.want);
            const Choices *c = suffices ? &list : &whole;
            size_t a = o->sample ? choices_draw(c, o, 1, i, (uint32_t)step) : choices_first(c);
            size_t b = o->sample ? choices_draw(&whole, o, 1, i, (uint32_t)step) : choices_first(&whole);
            assert_int_equal(choices_id(c, a), choices_id(&whole, b));
            assert_true(c->logits[a] == whole.logits[b] && c->logits[a] == logits[i * VOCABULARY + b]);
            settled += suffices;
            ids[i][PROMPT + step] = choices_id(c, a);
        }
    }
    arena_release(&arena);
    return settled;
}

static void test_one_by_one(void **state)
{
    (void)state;
    const int all = ROWS * STEPS;
    GenerateOptions o = {.eos = {{2}, 1}, .num_beams = 1, .max_new_tokens = STEPS, .temperature = 2, .seed = 3};
    for (int bans = 0; bans < 2; bans++) {
        o.no_repeat_ngram_size = bans;
        o.min_new_tokens = 5 * bans;
        o.sample = false;
        assert_int_equal(choose_both(&o, false), all);
        choose_both(&o, true);
        o.sample = true;
        o.top_k = 6;
        assert_int_equal(choose_both(&o, false), all);
        assert_true(choose_both(&o, true) < all); /* ties that may go on beyond the list */
        o.top_k = 80;
        assert_int_equal(choose_both(&o, false), all);
        o.top_k = 0;
        assert_int_equal(choose_both(&o, false), 0);
        o.top_k = VOCABULARY;
        assert_int_equal(choose_both(&o, false), 0);
    }
}

/* Two searches over the same logits, one from lists where they settle it; returns how many rows did. */
static int search_both(const GenerateOptions *o, bool ties)
{
    int settled = 0;
    Arena arena = {0};
    BeamSearch search[2];
    Candidates s[2];
    for (int i = 0; i < 2; i++) {
        beam_init(&search[i], o, prompt, PROMPT, VOCABULARY);
        candidates_init(&s[i], &arena, kernels_cpu(COMPUTE_F32), o, VOCABULARY, ROWS, ROWS, PROMPT + STEPS);
    }
    real *logits = arena_calloc(&arena, (size_t)ROWS * VOCABULARY, sizeof *logits);
    bool more[2] = {true, true};
    for (uint32_t step = 0; more[0]; step++) {
        draw_logits(logits, step, ties);
        for (int i = 0; i < 2; i++) {
            Choices c[MAX_BEAMS];
            size_t rows = beam_live(&search[i]);
            for (size_t k = 0; k < rows; k++)
                candidates_ban(&s[i], k, beam_history(&search[i], k));
            candidates_fetch(&s[i], logits, rows);
            for (size_t k = 0; k < rows; k++) {
                c[k] = candidates_get(&s[i], k);
                if (i == 1 && beam_settled(&search[i], k, &c[k]))
                    settled++;
                else
                    c[k] = candidates_whole(&s[i], k, k);
            }
            more[i] = beam_step(&search[i], c);
        }
        assert_int_equal(more[0], more[1]);
    }
    for (size_t rank = 0; rank < ROWS; rank++) {
        const Beam *a = beam_best(&search[0], rank), *b = beam_best(&search[1], rank);
        assert_int_equal(a->n, b->n);
        assert_memory_equal(a->ids, b->ids, a->n * sizeof *a->ids);
        assert_memory_equal(a->logp, b->logp, (a->n - PROMPT) * sizeof *a->logp);
        assert_true(a->score == b->score);
    }
    beam_release(&search[0]);
    beam_release(&search[1]);
    arena_release(&arena);
    return settled;
}

static void test_beams(void **state)
{
    (void)state;
    GenerateOptions o = {.eos = {{2}, 1}, .num_beams = ROWS, .max_new_tokens = STEPS, .length_penalty = 1};
    for (int bans = 0; bans < 2; bans++) {
        o.no_repeat_ngram_size = bans;
        o.min_new_tokens = 20 * bans;
        assert_true(search_both(&o, false) > STEPS);
        search_both(&o, true);
    }
}

/* Ids that are not of the vocabulary are in the history of some checkpoints; each ban counts once. */
static void test_bans(void **state)
{
    (void)state;
    const int32_t history[] = {950, 950, 4, 5, 950, 4};
    int32_t ids[6 + MOST_EOS];
    GenerateOptions o = {.eos = {{2}, 1}, .no_repeat_ngram_size = 1, .min_new_tokens = 4};
    assert_int_equal(banned_tokens(ids, &o, (History){history, 6, 3}), 4); /* 950, 4, 5, eos */
    o.eos = (EosIds){{2, 5, 7}, 3};
    assert_int_equal(banned_tokens(ids, &o, (History){history, 6, 3}), 5); /* 5 is banned already */
    o.min_new_tokens = 3;
    assert_int_equal(banned_tokens(ids, &o, (History){history, 6, 3}), 3);
    o.no_repeat_ngram_size = 2;
    assert_int_equal(banned_tokens(ids, &o, (History){history, 6, 3}), 1);
    assert_int_equal(ids[0], 5);
    o.no_repeat_ngram_size = 3;
    assert_int_equal(banned_tokens(ids, &o, (History){history, 6, 3}), 1); /* 950 4 has been, and then 5 */
    o.no_repeat_ngram_size = 7;
    assert_int_equal(banned_tokens(ids, &o, (History){history, 6, 3}), 0);
}

int main(void)
{
    pool_init(2);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_by_one), cmocka_unit_test(test_beams),
                                       cmocka_unit_test(test_bans)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
