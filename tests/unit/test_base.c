/* lib/base: known answers of Philox, arenas, the pool, files that appear whole, and options from their four sources. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/base.h"
#include "base/hashmap.h"
#include "base/lock.h"
#include "base/options/options.h"
#include "base/pool.h"
#include "base/random.h"

/* Random numbers */

/* Known answers of the authors: Random123, kat_vectors, philox4x32 10 rounds. */
static void test_philox(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], expected[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < 3; i++) {
        uint32_t out[4];
        philox(known[i].counter, known[i].key, out);
        assert_memory_equal(out, known[i].expected, sizeof out);
    }
}

static void test_random_moments(void **state)
{
    (void)state;
    enum { N = 200000 };
    double sum = 0, normal = 0, squares = 0;
    size_t hits[5] = {0};
    for (uint32_t i = 0; i < N; i++) {
        double u = random_uniform(1, 2, 3, i), z = random_normal(1, 2, 4, i);
        assert_true(u >= 0 && u < 1);
        sum += u;
        normal += z;
        squares += z * z;
        uint64_t below = random_below(1, 2, 5, i, 5);
        assert_true(below < 5);
        hits[below]++;
    }
    /* five standard deviations of each mean */
    assert_true(sum / N > 0.5 - 5 * 0.2887 / 447 && sum / N < 0.5 + 5 * 0.2887 / 447);
    assert_true(normal / N > -5.0 / 447 && normal / N < 5.0 / 447);
    assert_true(squares / N > 1 - 5 * 1.4143 / 447 && squares / N < 1 + 5 * 1.4143 / 447);
    for (size_t i = 0; i < 5; i++)
        assert_true(hits[i] > N / 5 - 900 && hits[i] < N / 5 + 900);
}

/* Every argument of a draw matters, and it is pure. */
static void test_random_keys(void **state)
{
    (void)state;
    uint64_t a = random_bits(1, 2, 3, 4);
    assert_true(a == random_bits(1, 2, 3, 4));
    assert_true(a != random_bits(2, 2, 3, 4) && a != random_bits(1, 3, 3, 4) && a != random_bits(1, 2, 4, 4));
    assert_true(a != random_bits(1, 2, 3, 5) && a != random_bits(1ull << 32 | 1, 2, 3, 4) &&
                a != random_bits(1, 2, 1ull << 32 | 3, 4));
}

/* Arenas */

static void test_arena(void **state)
{
    (void)state;
    Arena a = {0};
    char *first = arena_alloc(&a, 1);
    assert_int_equal((uintptr_t)first % 64, 0);
    ArenaMark mark = arena_mark(&a);
    char *second = arena_alloc(&a, 100), *large = arena_alloc(&a, 10 << 20);
    assert_ptr_not_equal(first, second);
    assert_int_equal((uintptr_t)large % 64, 0);
    memset(second, 1, 100);
    memset(large, 2, 10 << 20);
    size_t peak = a.peak;
    assert_true(peak >= (10 << 20) + 101);
    arena_release_to(&a, mark);
    /* warmed up: the same requests are served by the same memory */
    assert_ptr_equal(arena_alloc(&a, 100), second);
    assert_ptr_equal(arena_alloc(&a, 10 << 20), large);
    assert_true(a.peak == peak);
    arena_reset(&a);
    assert_ptr_equal(arena_alloc(&a, 1), first);
    static const char zeros[100];
    assert_memory_equal(arena_calloc(&a, 10, 10), zeros, 100);
    assert_string_equal(arena_strndup(&a, "abcdef", 3), "abc");
    arena_release(&a);
}

/* What a child that runs `f` exits with; 128 and the signal where one ended it. Its stderr goes to /dev/null. */
static int status_of(void (*f)(void *context), void *context)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr) || !freopen("/dev/null", "w", stdout))
            _exit(99);
        f(context);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void ask_too_much(void *context)
{
    (void)context;
    xrealloc(NULL, SIZE_MAX / 2, 4);
}

static void ask_arena_too_much(void *context)
{
    (void)context;
    Arena a = {0};
    arena_calloc(&a, SIZE_MAX / 2, 4);
}

static void test_memory_status(void **state)
{
    (void)state;
    assert_int_equal(status_of(ask_too_much, NULL), STATUS_MEMORY);
    assert_int_equal(status_of(ask_arena_too_much, NULL), STATUS_MEMORY);
}

/* libc's own malloc in strdup: the sanitizers' says by itself what it lacks. */
static void ask_by_libc(void *context)
{
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_AS, &none) == 0 && strdup(context))
        _exit(1);
    _exit(2); /* came back without */
}

static void test_memory_of_libraries(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    skip();
#endif
    size_t size = 64 << 20;
    char *text = xmalloc(size);
    memset(text, 'x', size);
    text[size - 1] = '\0';
    assert_int_equal(status_of(ask_by_libc, text), STATUS_MEMORY);
    free(text);
}

/* The end of stdout */

static void fail_once(void *context)
{
    if (!freopen("/dev/full", "w", stdout))
        _exit(99);
    printf("lost");
    fflush(stdout);
    dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO); /* from now on there is room */
    printf("kept");
    _exit(finish_stdout(*(int *)context));
}

static void test_stdout(void **state)
{
    (void)state;
    static const int statuses[][2] = {{STATUS_CLEAN, STATUS_FAILURE},
                                      {STATUS_SOME_FAILED, STATUS_FAILURE},
                                      {STATUS_CORRUPT, STATUS_CORRUPT},
                                      {STATUS_CHECK, STATUS_CHECK}};
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        assert_int_equal(status_of(fail_once, (void *)(uintptr_t)&statuses[i][0]), statuses[i][1]);
}

/* The pool */

typedef struct Counts {
    int counts[1000];
    double denormal;
    int kept[1000];
} Counts;

static void count_part(void *context, size_t part)
{
    Counts *c = context;
    c->counts[part]++;
    volatile double tiny = c->denormal;
    c->kept[part] = tiny * 1.0 != 0;
}

static void test_pool(void **state)
{
    (void)state;
    assert_int_equal(pool_threads(), 1);
    for (int started = 0; started < 2; started++) {
        Counts c = {.denormal = 5e-324};
        for (int round = 0; round < 500; round++)
            pool_run(count_part, &c, (size_t)round % 7 == 0 ? 1000 : (size_t)round % 3);
        for (size_t i = 2; i < 1000; i++)
            assert_int_equal(c.counts[i], 72);
        for (size_t i = 0; i < 1000; i++)
            assert_int_equal(c.kept[i], !started); /* denormals are flushed in every thread of a started pool */
        if (!started)
            pool_init(3);
    }
    assert_int_equal(pool_threads(), 3);
}

/* Files */

static void test_files(void **state)
{
    (void)state;
    char folder[] = "/tmp/test-base-XXXXXX";
    assert_non_null(mkdtemp(folder));
    Error err = {0};
    char *deep = path_join(folder, "a/b"), *path = path_join(deep, "file");
    assert_false(file_write(path, "x", 1, &err));
    assert_non_null(strstr(err.text, path));
    err = (Error){0};
    assert_true(folder_make(deep, &err));
    assert_true(file_write(path, "one", 3, &err));
    AtomicFile f;
    assert_true(atomic_open(&f, path, &err));
    fputs("two", f.stream);
    atomic_abort(&f);
    size_t size;
    char *text = file_read(path, &size, &err);
    assert_string_equal(text, "one"); /* an aborted write leaves what stood there */
    assert_int_equal(size, 3);
    free(text);
    assert_true(file_write(path, "three", 5, &err));
    text = file_read(path, &size, &err);
    assert_string_equal(text, "three");
    free(text);
    assert_null(file_read(deep, &size, &err)); /* a folder is no file */
    text = file_read_regular(path, 5, &size, &err);
    assert_string_equal(text, "three");
    free(text);
    err = (Error){0};
    assert_null(file_read_regular(path, 4, &size, &err));
    assert_non_null(strstr(err.text, "more than 4 bytes"));
    err = (Error){0};
    assert_null(file_read_regular("/dev/zero", 1 << 20, &size, &err));
    assert_non_null(strstr(err.text, "/dev/zero: not a regular file"));
    err = (Error){0};
    assert_null(file_read_regular("/dev/nowhere", 1 << 20, &size, &err));
    assert_non_null(strstr(err.text, "open /dev/nowhere: No such"));
    err = (Error){0};
    char *pipe = path_join(folder, "pipe"); /* which nobody writes to */
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_null(file_read_regular(pipe, 1 << 20, &size, &err));
    assert_non_null(strstr(err.text, "not a regular file"));
    assert_int_equal(unlink(pipe), 0);
    free(pipe);
    err = (Error){0};
    assert_true(unlink(path) == 0 && rmdir(deep) == 0); /* and no temporary is left behind */
    free(path);
    free(deep);
    char *a = path_join(folder, "a");
    assert_true(rmdir(a) == 0 && rmdir(folder) == 0);
    free(a);
}

/* Options */

/* What a program's options hold lives until it exits; here they are parsed many times. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:options_parse\n";
}

static bool flag, gate;
static int64_t count;
static double rate;
static const char *name;
static int color;
static StringList list;
static const Option options[] = {
    OPT_FLAG("flag", 'f', &flag, "A flag."),
    OPT_FLAG("no-gate", 0, &gate, "A flag that turns something off."),
    OPT_GROUP("Others"),
    OPT_INT("count", 'c', &count, "5", 1, 10, "N", "A whole number."),
    OPT_REAL("rate", 0, &rate, "0.5", 0, 1, "R", "A number."),
    OPT_STRING("long-name", 0, &name, NULL, "S", "A string."),
    OPT_ENUM("color", 0, &color, "red", "red|green|blue", "A choice."),
    OPT_LIST("list", 'l', &list, NULL, "A,B", "A list."),
    OPT_END,
};
static const Program program = {"vlrm-test", "a program", "[file]...", NULL, NULL, "Nothing.", "vlrm-test", options};

/* Arguments end with NULL. */
static char **parse(int *n_operands, const char *const *arguments)
{
    static char *argv[16];
    int argc = 1;
    argv[0] = (char *)"vlrm-test";
    while ((argv[argc] = (char *)*arguments++) != NULL)
        argc++;
    return options_parse(&program, argc, argv, n_operands);
}

#define PARSE(...) parse(&n, (const char *const[]){__VA_ARGS__, NULL})

static void test_options_defaults(void **state)
{
    (void)state;
    int n;
    char **operands = PARSE("one", "--", "--two");
    assert_int_equal(n, 2);
    assert_string_equal(operands[0], "one");
    assert_string_equal(operands[1], "--two");
    assert_true(!flag && !gate && count == 5 && rate == 0.5 && !name && color == 0 && list.count == 0);
    assert_false(option_given(&program, "count"));
}

static void test_options_flags(void **state)
{
    (void)state;
    int n;
    PARSE("--flag", "--no-gate", "-c7", "--rate=1", "--long-name", "x=y", "--color", "blue", "-l", "a,b", "--list=c", "-");
    assert_int_equal(n, 1); /* "-" is an operand */
    assert_true(flag && gate && count == 7 && rate == 1 && color == 2 && list.count == 3);
    assert_string_equal(name, "x=y");
    assert_string_equal(list.items[2], "c");
    assert_true(option_given(&program, "count"));
    PARSE("--flag", "--no-flag", "--no-gate", "--gate");
    assert_true(!flag && !gate);
    PARSE("-fc", "9");
    assert_true(flag && count == 9);
}

static void test_options_sources(void **state)
{
    (void)state;
    char path[] = "/tmp/test-options-XXXXXX";
    int fd = mkstemp(path), n;
    static const char json[] = "{\"count\": 2, \"rate\": 0.25, \"flag\": true, \"list\": [\"x\", \"y\"], \"long-name\": \"file\","
                               " \"max-new-tokens\": 1}";
    assert_true(write(fd, json, sizeof json - 1) == sizeof json - 1);
    close(fd);
    setenv("VLRM_RATE", "0.75", 1);
    setenv("VLRM_LONG_NAME", "environment", 1);
    setenv("VLRM_COUNT", "3", 1);
    PARSE("--count", "4", "--config", path);
    assert_int_equal(count, 4); /* flag over environment over file */
    assert_true(rate == 0.75);  /* environment over file */
    assert_string_equal(name, "environment");
    assert_true(flag && list.count == 2); /* file over default */
    assert_int_equal(color, 0);           /* default */
    PARSE("--config", path, "--list", "z");
    assert_int_equal(list.count, 1); /* a stronger source replaces a list, it does not add to it */
    unsetenv("VLRM_RATE");
    unsetenv("VLRM_COUNT");
    unsetenv("VLRM_LONG_NAME");
    json_t *all = options_json(&program);
    assert_string_equal(json_string_value(json_object_get(all, "color")), "red");
    assert_int_equal(json_integer_value(json_object_get(all, "count")), 3);
    json_decref(all);
    unlink(path);
}

static void parse_child(void *context)
{
    int n;
    parse(&n, context);
}

static void test_options_wrong(void **state)
{
    (void)state;
    static const char *const wrong[][4] = {
        {"--count", "0"},
        {"--count", "11"},
        {"--count", "1x"},
        {"--count", ""},
        {"--count"},
        {"--rate", "nan"},
        {"--rate", "2"},
        {"--rate=-0.1"},
        {"--color", "r"},
        {"--unknown"},
        {"-x"},
        {"--no-count"},
        {"--count= 3"},
        {"--color", "red|green"},
        {"--count", "99999999999999999999"},
        {"--flag=maybe"},
        {"--config", "/nowhere"},
        {"--no-flag=1"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (status_of(parse_child, (void *)wrong[i]) != STATUS_USAGE)
            fail_msg("%s %s: was not refused with status 2", wrong[i][0], wrong[i][1] ? wrong[i][1] : "");
    static const char *const fine[][2] = {{"--help"}, {"-h"}, {"--version"}, {"--help-man"}, {"--help-options"}};
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
        assert_int_equal(status_of(parse_child, (void *)fine[i]), 0);
    setenv("VLRM_COUNT", "many", 1);
    assert_int_equal(status_of(parse_child, (void *)(const char *const[]){NULL}), STATUS_USAGE);
    unsetenv("VLRM_COUNT");
}

/* Maps */

static void test_hashmap(void **state)
{
    (void)state;
    enum { N = 1000 };
    HashMap m = {0};
    assert_int_equal(hashmap_get(&m, 7), 0);
    for (uint64_t i = 2; i < N; i++) {
        assert_true(hashmap_add(&m, i * i));
        assert_false(hashmap_add(&m, i * i));
        *hashmap_at(&m, i * i) = (int64_t)i + 1;
    }
    for (uint64_t i = 2; i < N; i++)
        assert_int_equal(hashmap_get(&m, i * i), i + 1);
    assert_int_equal(hashmap_get(&m, N * N), 0);
    assert_int_equal(m.count, N - 2);
    assert_true(hashmap_add(&m, 0));
    assert_false(hashmap_add(&m, 1)); /* 0 counts as 1 */
    hashmap_release(&m);
    assert_int_equal(m.count, 0);
}

/* Locks */

static void test_locks(void **state)
{
    (void)state;
    char path[] = "/tmp/vlrm-lock-XXXXXX";
    close(mkstemp(path));
    Error err = {0};
    int first = lock_open(path, &err);
    assert_true(first >= 0);
    assert_int_equal(lock_open(path, &err), -1);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "works on it"));
    close(first);
    err = (Error){0};
    first = lock_open(path, &err);
    assert_true(first >= 0);
    /* another file of that name is another lock */
    unlink(path);
    int second = lock_open(path, &err);
    assert_true(second >= 0);
    close(first);
    close(second);
    unlink(path);
    /* a device is not locked */
    first = lock_open("/dev/null", &err);
    second = lock_open("/dev/null", &err);
    assert_true(first >= 0 && second >= 0);
    close(first);
    close(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_philox),
        cmocka_unit_test(test_random_moments),
        cmocka_unit_test(test_random_keys),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_memory_status),
        cmocka_unit_test(test_memory_of_libraries),
        cmocka_unit_test(test_stdout),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_hashmap),
        cmocka_unit_test(test_locks),
        cmocka_unit_test(test_options_defaults),
        cmocka_unit_test(test_options_flags),
        cmocka_unit_test(test_options_sources),
        cmocka_unit_test(test_options_wrong),
        cmocka_unit_test(test_pool), /* last: it starts threads, others fork */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
