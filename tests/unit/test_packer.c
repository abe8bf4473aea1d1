/* Maps packed by their fields: the bytes are those of a counted map, and a map that is not whole cannot be written. */
#include "stream/stream.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "stream/token.h"

static void assert_same(Packer *a, Packer *b)
{
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a->data, b->data, a->size);
    pack_release(a);
    pack_release(b);
}

/* The header is the smallest for the count, whatever it is. */
static void test_counts(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 15, 16, UINT16_MAX, UINT16_MAX + 1};
    for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
        Packer a = {0}, b = {0};
        char key[32];
        pack_map_begin(&a);
        pack_map(&b, counts[k]);
        for (size_t i = 0; i < counts[k]; i++) {
            snprintf(key, sizeof key, "k%zu", i);
            pack_field_int(&a, key, (int64_t)i);
            pack_string(&b, key);
            pack_int(&b, (int64_t)i);
        }
        pack_map_end(&a);
        assert_true(value_whole((Slice){a.data, a.size}));
        assert_same(&a, &b);
    }
}

static void pack_by_fields(Packer *p, const json_t *json)
{
    pack_map_begin(p);
    pack_field_text(p, "text", "a bus");
    pack_field_text_n(p, "cut", "a bus", 1);
    pack_field_real(p, "real", 0.5);
    pack_field_bool(p, "bool", true);
    pack_key(p, "inner");
    pack_map_begin(p);
    for (char key[] = "a"; key[0] <= 'z'; key[0]++) /* 26 keys: a header of 3 bytes inside one of 1 */
        pack_field_bin(p, key, key, 1);
    pack_map_end(p);
    pack_field_ints(p, "ints", (int64_t[]){1, -1}, 2);
    pack_field_reals(p, "reals", (double[]){0.25}, 1);
    pack_field_json(p, "json", json);
    pack_key(p, "maps");
    pack_array(p, 2);
    for (int i = 0; i < 2; i++) {
        pack_map_begin(p);
        pack_map_end(p);
    }
    pack_map_end(p);
}

static void pack_by_count(Packer *p, const json_t *json)
{
    pack_map(p, 9);
    pack_string(p, "text");
    pack_string(p, "a bus");
    pack_string(p, "cut");
    pack_string(p, "a");
    pack_string(p, "real");
    pack_real(p, 0.5);
    pack_string(p, "bool");
    pack_bool(p, true);
    pack_string(p, "inner");
    pack_map(p, 26);
    for (char key[] = "a"; key[0] <= 'z'; key[0]++) {
        pack_string(p, key);
        pack_bin(p, key, 1);
    }
    pack_string(p, "ints");
    pack_ints(p, (int64_t[]){1, -1}, 2);
    pack_string(p, "reals");
    pack_reals(p, (double[]){0.25}, 1);
    pack_string(p, "json");
    pack_json(p, json);
    pack_string(p, "maps");
    pack_array(p, 2);
    pack_map(p, 0);
    pack_map(p, 0);
}

static void test_every_kind_of_field(void **state)
{
    (void)state;
    Packer a = {0}, b = {0};
    json_t *json = json_pack("{s:i, s:[s]}", "x", 1, "y", "z");
    pack_by_fields(&a, json);
    pack_by_count(&b, json);
    json_decref(json);
    assert_same(&a, &b);
}

/* A map stands behind what was packed before it; a packer that is reset has no map begun. */
static void test_behind_others(void **state)
{
    (void)state;
    Packer a = {0}, b = {0};
    pack_map_begin(&a);
    assert_false(value_whole((Slice){a.data, a.size}));
    pack_reset(&a);
    pack_int(&a, 7);
    pack_map_begin(&a);
    pack_field_int(&a, "a", 1);
    pack_map_end(&a);
    pack_int(&b, 7);
    pack_map(&b, 1);
    pack_string(&b, "a");
    pack_int(&b, 1);
    assert_same(&a, &b);
}

static void test_values_count(void **state)
{
    (void)state;
    assert_int_equal(values_count((Slice){"", 0}), 0);
    assert_int_equal(values_count((Slice){"\x01\x82\x01\x02\x03\x91\x04\xa1x", 9}), 3);
    assert_true(values_count((Slice){"\x01\xa2x", 3}) == SIZE_MAX);    /* its payload is cut */
    assert_true(values_count((Slice){"\x01\x82\x01", 3}) == SIZE_MAX); /* its children are */
    assert_true(values_count((Slice){"\x01\xcd\x01", 3}) == SIZE_MAX); /* its head is */
    assert_true(values_count((Slice){"\x01\xc1\x01", 3}) == SIZE_MAX); /* msgpack has no such byte */
}

/* ---- what is a bug ---- */

static void end_alone(Packer *p)
{
    pack_map_end(p);
}

static void key_alone(Packer *p)
{
    pack_field_int(p, "a", 1);
}

static void key_without_value(Packer *p)
{
    pack_map_begin(p);
    pack_key(p, "a");
    pack_map_end(p);
}

/* As many values as two fields have, but one key too many. */
static void values_for_keys(Packer *p)
{
    pack_map_begin(p);
    pack_key(p, "a");
    pack_key(p, "b");
    pack_field_int(p, "c", 1);
    pack_map_end(p);
}

static void value_without_key(Packer *p)
{
    pack_map_begin(p);
    pack_field_int(p, "a", 1);
    pack_int(p, 2);
    pack_map_end(p);
}

static void array_not_full(Packer *p)
{
    pack_map_begin(p);
    pack_key(p, "a");
    pack_array(p, 2);
    pack_int(p, 1);
    pack_map_end(p);
}

static void too_deep(Packer *p)
{
    for (int i = 0; i <= PACK_DEPTH; i++) {
        pack_map_begin(p);
        pack_key(p, "a");
    }
}

static void test_bugs(void **state)
{
    (void)state;
    static void (*const wrongs[])(Packer *) = {end_alone,         key_alone,      key_without_value, values_for_keys,
                                               value_without_key, array_not_full, too_deep};
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        int status;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            Packer p = {0};
            if (!freopen("/dev/null", "w", stderr))
                _exit(99);
            signal(SIGABRT, SIG_DFL);
            wrongs[i](&p);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
            fail_msg("wrong %zu is no bug: wait status %#x", i, (unsigned)status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),        cmocka_unit_test(test_every_kind_of_field),
        cmocka_unit_test(test_behind_others), cmocka_unit_test(test_values_count),
        cmocka_unit_test(test_bugs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
