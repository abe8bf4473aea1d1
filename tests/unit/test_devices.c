/*
 * Sums that stay on devices, over a small libnccl.so.2 of the tests' own (tests/ranks/nccl.c) and host memory in place of a
 * device's: the calls, their order and sizes; who may not; and a sum that does not end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "ranks/ranks.h"

/* ---- what each rank does, under mpirun ---- */

static void must(bool condition, const char *what)
{
    if (!condition)
        die("expected: %s", what);
}

/* The device is done a while after it was asked. */
static bool idle(void)
{
    static int asked;
    return ++asked % 3 == 0;
}

static void check_sum(Ranks *r, size_t n)
{
    const int64_t me = (int64_t)ranks_rank(r), all = (int64_t)ranks_size(r);
    int64_t *values = xmalloc(n * sizeof *values);
    for (size_t i = 0; i < n; i++)
        values[i] = (int64_t)i * (me + 1) - 7;
    ranks_sum_device(r, "a sum", values, n);
    for (size_t i = 0; i < n; i++)
        must(values[i] == (int64_t)i * (all * (all + 1) / 2) - 7 * all, "the sum of all ranks");
    free(values);
}

static int run_rank(const char *what)
{
    Error err = {0};
    Ranks *r;
    char name[32];
    if (!ranks_open(&r, strcmp(what, "stuck") == 0 ? 1 : 0, &err))
        die("%s", err.text);
    snprintf(name, sizeof name, "device-%zu", strncmp(what, "shared", 6) == 0 ? 0 : ranks_rank(r));
    const RanksDevice device = {strcmp(what, "processor") == 0 && ranks_rank(r) > 0 ? "" : name, idle};
    const bool expected = strcmp(what, "sum") == 0 || strcmp(what, "stuck") == 0;
    must(ranks_use_devices(r, &device, !strstr(what, "off")) == expected && ranks_sums_devices(r) == expected, what);
    if (expected) {
        check_sum(r, 5);
        check_sum(r, 1000);
    }
    ranks_close(r);
    return 0;
}

/* ---- tests ---- */

static char folder[] = "/tmp/vlrm-test-devices-XXXXXX";

/* Runs this program as two ranks, its output into `text`; the exit status. */
static int run_ranks(const char *what, const char *stuck, char *text, size_t room)
{
    char self[4096], copy[4096];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = '\0';
    strcpy(copy, self);
    char *command = xasprintf(
        "rm -f %s/*; ASAN_OPTIONS=detect_leaks=0 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 NCCL_FAKE=%s %s "
        "LD_LIBRARY_PATH='%s/../ranks' mpirun --oversubscribe -n 2 -x LD_LIBRARY_PATH -x NCCL_FAKE '%s' %s 2>&1",
        folder, folder, stuck, dirname(copy), self, what);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    text[fread(text, 1, room - 1, f)] = '\0';
    free(command);
    return WEXITSTATUS(pclose(f));
}

/* What rank r has called, line by line; "" for nothing. */
static const char *calls_of(int r)
{
    static char text[4096];
    char *path = xasprintf("%s/calls.0.%d", folder, r);
    FILE *f = fopen(path, "r");
    text[f ? fread(text, 1, sizeof text - 1, f) : 0] = '\0';
    if (f)
        fclose(f);
    free(path);
    return text;
}

static void skip_without_launcher(void)
{
    if (system("command -v mpirun >/dev/null") != 0) {
        print_message("skipped: no mpirun here (openmpi-bin)\n");
        skip();
    }
}

static void test_sums(void **state)
{
    (void)state;
    char text[4096];
    skip_without_launcher();
    const int status = run_ranks("sum", "", text, sizeof text);
    if (status != 0)
        print_message("%s", text);
    assert_int_equal(status, 0);
    assert_string_equal(calls_of(0), "init 2 0 0\nsum 5 4 0\nsum 1000 4 0\ndestroy 0 0 0\n");
    assert_string_equal(calls_of(1), "init 2 1 0\nsum 5 4 0\nsum 1000 4 0\ndestroy 0 0 0\n");
}

/* Two ranks on one device are said, whoever carries their sums; a rank without a device is none of NCCL's business, and not worth
 * a word. */
static void test_who_may_not(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"shared", "not by NCCL: ranks 0 and 1 share device device-0 of "},
                                           {"shared-off", "not by NCCL: ranks 0 and 1 share device device-0 of "},
                                           {"off", "not by NCCL: rank 0 ("},
                                           {"processor", ""}};
    char text[4096];
    skip_without_launcher();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const int status = run_ranks(cases[i][0], "", text, sizeof text);
        if (status != 0)
            print_message("%s", text);
        assert_int_equal(status, 0);
        assert_string_equal(calls_of(0), "");
        assert_non_null(strstr(text, cases[i][1]));
        assert_true(cases[i][1][0] || !strstr(text, "NCCL"));
    }
}

/* A sum that does not end is given up after the patience, by NCCL too. */
static void test_stuck(void **state)
{
    (void)state;
    char text[4096];
    skip_without_launcher();
    assert_int_not_equal(run_ranks("stuck", "NCCL_FAKE_STUCK=1", text, sizeof text), 0);
    assert_non_null(strstr(text, "waited 1 s for a sum: all ranks have come, but their messages do not (--patience)"));
    assert_string_equal(calls_of(0), "init 2 0 0\nsum 5 4 0\nabort 0 0 0\n");
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char *command = xasprintf("rm -rf %s", folder);
    const int status = system(command);
    free(command);
    return status;
}

int main(int argc, char **argv)
{
    if (argc == 2)
        return run_rank(argv[1]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sums), cmocka_unit_test(test_who_may_not),
                                       cmocka_unit_test(test_stuck)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
