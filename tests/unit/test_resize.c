/* lib/media/resize and preprocess against Pillow: the committed part of the goldens, and all of them where ../shared is. */
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "media/preprocess.h"
#include "media/resize.h"
#include "media/resize_loops.h"

static const char *const roots[] = {"tests/golden/resize", "../shared/oracle/golden/resize"};

static Image load(const char *root, const char *name)
{
    Error err = {0};
    size_t size;
    char *path = path_join(root, name), *data = file_read(path, &size, &err);
    Image im = {0};
    if (!data || !image_decode(&im, NULL, data, size, &err))
        fail_msg("%s: %s", path, err.text);
    free(data);
    free(path);
    return im;
}

/* A list of cases of a root; NULL (said aloud) where the root or the list is not there. */
static json_t *cases(const char *root, const char *name)
{
    char *path = path_join(root, name);
    json_t *list = access(path, R_OK) == 0 ? json_load_file(path, 0, NULL) : NULL;
    if (!list)
        print_message("SKIPPED: %s is missing, its cases are not run\n", path);
    free(path);
    return list;
}

static const char *text(json_t *row, const char *key)
{
    return json_string_value(json_object_get(row, key));
}

static int number(json_t *row, const char *key)
{
    return (int)json_integer_value(json_object_get(row, key));
}

static int check_case(const char *root, json_t *row)
{
    Image in = load(root, text(row, "source")), want = load(root, text(row, "expected")), got;
    image_resize(&got, &in, number(row, "width"), number(row, "height"));
    assert_int_equal(got.width, want.width);
    assert_int_equal(got.height, want.height);
    int wrong = 0;
    for (size_t i = 0; i < (size_t)got.width * (size_t)got.height * 3; i++)
        wrong += got.rgb[i] != want.rgb[i];
    if (wrong)
        print_error("%s: %d values differ\n", text(row, "expected"), wrong);
    image_release(&in);
    image_release(&want);
    image_release(&got);
    return wrong > 0;
}

static void each_pixel_is_pillows(void **state)
{
    (void)state;
    for (size_t r = 0; r < 2; r++)
        for (size_t f = 0; f <= r; f++) { /* the committed list holds both kinds */
            json_t *list = cases(roots[r], f ? "cases-order.json" : "cases.json"), *row;
            size_t i;
            int failed = 0;
            if (!list && r == 0 && f == 0)
                fail_msg("no committed cases");
            json_array_foreach (list, i, row)
                failed += check_case(roots[r], row);
            assert_int_equal(failed, 0);
            if (r == 0 && f == 0)
                assert_true(json_array_size(list) > 60);
            json_decref(list);
        }
}

static void check_processor(const char *root, json_t *row)
{
    Error err = {0};
    size_t size, s = (size_t)number(row, "size");
    char *path = path_join(root, text(row, "expected")), *file = file_read(path, &size, &err);
    assert_non_null(file);
    assert_true(size > 3 * s * s * sizeof(float));
    const char *want = file + size - 3 * s * s * sizeof(float); /* one tensor: it ends the file */
    Preprocess p = {.size = (int)s, .crop = strcmp(text(row, "processor"), "clip") == 0};
    memcpy(p.mean, PREPROCESS_MEAN, sizeof p.mean);
    memcpy(p.std, PREPROCESS_STD, sizeof p.std);
    Image in = load(root, text(row, "source"));
    float *got = xmalloc(3 * s * s * sizeof *got);
    preprocess(got, &in, &p);
    for (size_t i = 0; i < 3 * s * s; i++) {
        float w;
        memcpy(&w, want + i * sizeof w, sizeof w);
        if (!(fabsf(got[i] - w) <= 1e-6f))
            fail_msg("%s: value %zu is %.9g, expected %.9g", path, i, got[i], w);
    }
    image_release(&in);
    free(got);
    free(file);
    free(path);
}

static void processors_agree(void **state)
{
    (void)state;
    for (size_t r = 0; r < 2; r++) {
        json_t *list = cases(roots[r], "processors.json"), *row;
        size_t i;
        if (r == 0)
            assert_true(json_array_size(list) > 0);
        json_array_foreach (list, i, row)
            check_processor(roots[r], row);
        json_decref(list);
    }
}

/* The loops of either kind of processor give the same bytes, at widths that leave every remainder. */
static void loops_agree(void **state)
{
    (void)state;
    if (!__builtin_cpu_supports("avx2")) {
        print_message("SKIPPED: no AVX2 here\n");
        return;
    }
    enum { TAPS = 7, HEIGHT = 9 };
    int32_t k[40 * TAPS];
    int first[40], count[40];
    uint8_t in[60 * 3 * HEIGHT], a[60 * 3 * HEIGHT], b[60 * 3 * HEIGHT];
    int32_t sums[180];
    srand(7);
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)rand();
    for (int out = 1; out <= 40; out++) {
        for (int j = 0; j < out; j++) {
            count[j] = 1 + rand() % TAPS;
            first[j] = rand() % (60 - count[j] + 1);
            for (int i = 0; i < TAPS; i++)
                k[j * TAPS + i] = (rand() % 3000000 - 1000000) / TAPS * 4; /* no sum of TAPS overflows */
        }
        Taps t = {TAPS, k, first, count};
        resize_loops_plain.horizontal(a, in, &t, 60, out, HEIGHT);
        resize_loops_avx2.horizontal(b, in, &t, 60, out, HEIGHT);
        assert_memory_equal(a, b, (size_t)out * 3 * HEIGHT);
        for (int j = 0; j < out && j < HEIGHT; j++) {
            count[j] = 1 + rand() % TAPS;
            first[j] = rand() % (HEIGHT - count[j] + 1);
        }
        int rows = out < HEIGHT ? out : HEIGHT;
        resize_loops_plain.vertical(a, in, &t, (size_t)out, rows, sums);
        resize_loops_avx2.vertical(b, in, &t, (size_t)out, rows, sums);
        assert_memory_equal(a, b, (size_t)out * (size_t)rows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_pixel_is_pillows),
        cmocka_unit_test(processors_agree),
        cmocka_unit_test(loops_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
