/*
 * lib/ranks: alone; and, by starting itself again under mpirun, 1 to 4 ranks: sums, gathers, broadcasts, digests that differ, and
 * a rank that does not come, that stops when it has come, that comes late.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "ranks/inside.h"

/* ---- what each rank does, under mpirun ---- */

#define MUST(condition)                                                                              \
    do {                                                                                             \
        if (!(condition)) {                                                                          \
            fprintf(stderr, "rank %zu: %s:%d: %s\n", ranks_rank(r), __FILE__, __LINE__, #condition); \
            exit(1);                                                                                 \
        }                                                                                            \
    } while (0)

/* More than one message's worth, and a rest. */
static void check_sum(Ranks *r)
{
    const size_t n = (1 << 20) + 5, me = ranks_rank(r), all = ranks_size(r);
    int64_t *values = xmalloc(n * sizeof *values);
    for (size_t i = 0; i < n; i++)
        values[i] = (int64_t)(i * (me + 1)) - 7;
    ranks_sum(r, "a sum", values, n);
    for (size_t i = 0; i < n; i++)
        MUST(values[i] == (int64_t)(i * (all * (all + 1) / 2)) - 7 * (int64_t)all);
    free(values);
}

/* Rank k gives k letters. */
static void check_gather(Ranks *r)
{
    Gathered g = {0};
    ranks_gather(r, "letters", "abcdef", ranks_rank(r), &g);
    for (size_t i = 0; i < ranks_size(r); i++) {
        MUST(g.offset[i + 1] - g.offset[i] == i);
        MUST(memcmp(g.data + g.offset[i], "abcdef", i) == 0);
    }
    gathered_release(&g);
}

static void check_broadcast(Ranks *r)
{
    const size_t from = ranks_size(r) - 1;
    char word[8] = "";
    if (ranks_rank(r) == from)
        memcpy(word, "the last", sizeof word);
    ranks_broadcast(r, "a word", from, word, sizeof word);
    MUST(memcmp(word, "the last", sizeof word) == 0);
}

/* Each rank hands a word to the one before it. */
static void check_send(Ranks *r)
{
    const size_t me = ranks_rank(r);
    size_t bytes;
    if (me > 0)
        ranks_send(r, "a word", me - 1, "abcdef", me);
    if (me + 1 < ranks_size(r)) {
        char *word = ranks_receive(r, "a word", me + 1, &bytes);
        MUST(bytes == me + 1 && memcmp(word, "abcdef", bytes) == 0);
        free(word);
    }
}

/* Of three or more the second differs, of two the second is not the first. */
static void check_agree(Ranks *r)
{
    Error err = {0};
    MUST(ranks_agree(r, "a thing", 1, &err));
    const bool alike = ranks_agree(r, "another", ranks_rank(r) == 1 ? 2 : 1, &err);
    MUST(alike == (ranks_size(r) == 1));
    MUST(alike || (err.status == STATUS_MISMATCH && strncmp(err.text, "rank 1 (", 8) == 0));
    MUST(alike || strstr(err.text, "digest of another is 0000000000000002, expected 0000000000000001"));
}

static int run_rank(const char *what, const char *size)
{
    Error err = {0};
    Ranks *r;
    const double patience = strcmp(what, "all") == 0 ? 0 : strcmp(what, "late") == 0 ? 3 : 1;
    if (!ranks_open(&r, patience, &err))
        die("%s", err.text);
    MUST(r && ranks_size(r) == strtoul(size, NULL, 10) && ranks_hosts(r) == 1 && ranks_host(r, 0)[0]);
    if (strcmp(what, "absent") == 0 && ranks_rank(r) == 1)
        raise(SIGSTOP);
    if (strcmp(what, "stops") == 0 && ranks_rank(r) == 1) {
        ranks_arrive(r, "a sum");
        raise(SIGSTOP);
    }
    if (strcmp(what, "late") == 0 && ranks_rank(r) == 0)
        sleep(5); /* more than the patience, less than what the others grant rank 0 */
    check_sum(r);
    check_gather(r);
    check_broadcast(r);
    check_send(r);
    check_agree(r);
    ranks_close(r);
    return 0;
}

/* ---- tests ---- */

/* Runs this program as so many ranks, its output into `text`; the exit status. (Open MPI leaks.) */
static int run_ranks(int size, const char *what, char *text, size_t room)
{
    char self[4096], *command;
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = '\0';
    command = xasprintf(
        "ASAN_OPTIONS=detect_leaks=0 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun --oversubscribe -n %d '%s' %s %d 2>&1",
        size, self, what, size);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    text[fread(text, 1, room - 1, f)] = '\0';
    free(command);
    return WEXITSTATUS(pclose(f));
}

static void skip_without_launcher(void)
{
    if (system("command -v mpirun >/dev/null") != 0) {
        print_message("skipped: no mpirun here (openmpi-bin)\n");
        skip();
    }
}

static void test_alone(void **state)
{
    (void)state;
    Error err = {0};
    Ranks *r;
    Gathered g;
    int64_t value = 5;
    assert_true(ranks_open(&r, 0, &err));
    assert_null(r);
    assert_int_equal(ranks_size(r), 1);
    assert_int_equal(ranks_rank(r), 0);
    ranks_sum(r, "a sum", &value, 1);
    assert_int_equal(value, 5);
    ranks_gather(r, "bytes", "abc", 3, &g);
    assert_memory_equal(g.data, "abc", 3);
    assert_int_equal(g.offset[1], 3);
    gathered_release(&g);
    assert_true(ranks_agree(r, "a thing", 1, &err));
    ranks_close(r);
}

/* All of n end well. */
static void ends_well(int n, const char *part)
{
    char text[4096];
    const int status = run_ranks(n, part, text, sizeof text);
    if (status != 0)
        print_message("%s", text);
    assert_int_equal(status, 0);
}

static void test_together(void **state)
{
    (void)state;
    skip_without_launcher();
    for (int n = 1; n <= 4; n += n == 1 ? 1 : 2)
        ends_well(n, "all");
}

/* The wait has an end, the one who is missing is named, and nothing is left of any. */
static void names_rank_1(const char *part, const char *said)
{
    char text[4096];
    assert_int_not_equal(run_ranks(3, part, text, sizeof text), 0);
    assert_non_null(strstr(text, said));
    assert_null(strstr(text, "rank 2 ("));
}

static void test_absent(void **state)
{
    (void)state;
    skip_without_launcher();
    names_rank_1("absent", "for a sum: no word from rank 1 (");
}

/* One that has come, and then does nothing more, is named too. */
static void test_stops(void **state)
{
    (void)state;
    skip_without_launcher();
    names_rank_1("stops", "for a sum: all ranks had come, but there is no more word from rank 1 (");
}

/* The others say that they wait; nobody hears it, and all goes on. */
static void test_late(void **state)
{
    (void)state;
    skip_without_launcher();
    ends_well(3, "late");
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return run_rank(argv[1], argv[2]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_alone), cmocka_unit_test(test_together),
                                       cmocka_unit_test(test_absent), cmocka_unit_test(test_stops), cmocka_unit_test(test_late)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
