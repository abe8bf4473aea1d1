/* The frame of a stage: segments joined, counts, statuses that travel, output that does not wait for input. */
#include "stream/filter.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const Option options[] = {{0}};
static const Program program = {.name = "vlrm-stage", .summary = "a stage", .operands = "[file]...", .options = options};

/* ---- the stage under test, in a process of its own ---- */

/* Adds a group; an id with "bad" fails, one with "drop" is filtered. */
static int stage_main(int n, char **operands, int zstd)
{
    char *argv[] = {"vlrm-stage", NULL};
    int none;
    Filter f;
    Record r;
    Packer p = {0};
    free(options_parse(&program, 1, argv, &none));
    filter_init(&f, &program, operands, n, zstd, "records");
    filter_header_set(&f, "extra", json_true());
    pack_bool(&p, true);
    while (filter_next(&f, &r)) {
        if (slice_equal(r.id, "stop"))
            raise(SIGTERM);
        if (r.kind == RECORD_BATCH)
            filter_write(&f, &r, NULL, NULL);
        else if (memmem(r.id.data, r.id.size, "bad", 3))
            filter_failed(&f, &r, "it is bad");
        else if (memmem(r.id.data, r.id.size, "drop", 4))
            filter_drop(&f);
        else
            filter_write(&f, &r, "mine", &p);
    }
    pack_release(&p);
    return filter_finish(&f);
}

/* Runs the stage with these ends as stdin and stdout; its process. */
static pid_t stage_start(int in, int out, int n, char **operands)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        dup2(in, STDIN_FILENO);
        dup2(out, STDOUT_FILENO);
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        _exit(stage_main(n, operands, 0));
    }
    return child;
}

static int stage_wait(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- streams ---- */

static int segment_write(int fd, const char *stage, const char *const ids[], int status)
{
    Writer *w = writer_new(fd, "sample", 0);
    int n = 0;
    writer_header(w, stage, NULL, NULL, (Slice){NULL, 0}, NULL);
    for (; ids[n]; n++)
        writer_record(w, (Slice){ids[n], strlen(ids[n])}, NULL, NULL, 0);
    writer_batch(w, 0, n, -1);
    writer_end(w, status == STATUS_SOME_FAILED, 0, status);
    assert_string_equal(writer_error(w)->text, "");
    writer_free(w);
    return fd;
}

static int new_file(void)
{
    int fd = memfd_create("stream", 0);
    assert_true(fd >= 0);
    return fd;
}

/* The stage's output as JSON lines, one string; its exit status in *status. */
static json_t *run_stage(int in, int *status)
{
    int out = new_file();
    Record r;
    RecordKind kind;
    lseek(in, 0, SEEK_SET);
    *status = stage_wait(stage_start(in, out, 0, NULL));
    lseek(out, 0, SEEK_SET);
    Reader *reader = reader_open_fd(out, "out");
    json_t *all = json_array();
    while ((kind = reader_next(reader, &r)) != RECORD_NONE) {
        if (kind == RECORD_FAILED)
            fail_msg("%s", reader_error(reader)->text);
        json_array_append_new(all, slice_json(r.raw));
    }
    reader_free(reader);
    close(in);
    return all;
}

static json_t *last(json_t *all)
{
    return json_object_get(json_array_get(all, json_array_size(all) - 1), "end");
}

static json_int_t number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* ---- tests ---- */

static void test_counts_and_groups(void **state)
{
    (void)state;
    int status;
    const char *const ids[] = {"a", "drop1", "bad1", "b", "drop2", NULL};
    json_t *all = run_stage(segment_write(new_file(), "source", ids, 0), &status), *end = last(all);
    assert_int_equal(status, STATUS_SOME_FAILED);
    json_t *header = json_array_get(all, 0);
    assert_string_equal(json_string_value(json_object_get(header, "stage")), "stage");
    assert_true(json_is_true(json_object_get(header, "extra")));
    assert_string_equal(json_string_value(json_object_get(json_object_get(header, "upstream"), "stage")), "source");
    assert_true(json_is_true(json_object_get(json_array_get(all, 1), "mine")));
    assert_null(json_object_get(json_array_get(all, 2), "mine")); /* bad1: forwarded as it was */
    assert_int_equal(number(json_object_get(json_array_get(all, 4), "batch"), "records"), 3);
    assert_int_equal(number(end, "records"), 3);
    assert_int_equal(number(end, "failed"), 1);
    assert_int_equal(number(end, "filtered"), 2);
    assert_int_equal(number(end, "status"), STATUS_SOME_FAILED);
    json_decref(all);
}

static void test_segments_are_joined(void **state)
{
    (void)state;
    int status, in = new_file();
    segment_write(in, "one", (const char *const[]){"a", NULL}, 0);
    segment_write(in, "two", (const char *const[]){"b", NULL}, STATUS_SOME_FAILED);
    segment_write(in, "two", (const char *const[]){"c", NULL}, 0);
    json_t *all = run_stage(in, &status), *end = last(all), *others = json_object_get(end, "upstreams");
    assert_int_equal(status, STATUS_SOME_FAILED);
    assert_int_equal(json_array_size(all), 1 + 3 + 3 + 1);
    assert_int_equal(number(end, "records"), 3);
    assert_int_equal(number(end, "failed"), 0);
    assert_int_equal(number(end, "upstream_failed"), 1);
    assert_int_equal(json_array_size(others), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(others, 0), "stage")), "two");
    json_decref(all);
}

static void test_statuses_travel(void **state)
{
    (void)state;
    static const int statuses[] = {0, 3, 4, 75, 7, 1, 8, 6, 5};
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        int status, in = new_file();
        segment_write(in, "one", (const char *const[]){"a", NULL}, statuses[i]);
        segment_write(in, "one", (const char *const[]){"b", NULL}, statuses[i / 2]); /* weaker */
        json_t *all = run_stage(in, &status);
        assert_int_equal(status, statuses[i]);
        assert_int_equal(number(last(all), "status"), statuses[i]);
        json_decref(all);
    }
}

static void test_cut_input(void **state)
{
    (void)state;
    int status, in = segment_write(new_file(), "one", (const char *const[]){"a", "b", NULL}, 0);
    off_t size = lseek(in, 0, SEEK_END);
    for (off_t cut = 0; cut < size; cut += 7) {
        int part = new_file();
        char buffer[4096];
        assert_int_equal(pread(in, buffer, (size_t)cut, 0), cut);
        assert_int_equal(write(part, buffer, (size_t)cut), cut);
        json_t *all = run_stage(part, &status);
        assert_int_equal(status, STATUS_CORRUPT);
        assert_int_equal(number(last(all), "status"), STATUS_CORRUPT);
        json_decref(all);
    }
    close(in);
}

/* A record goes out while the next one has not come. */
static void test_output_does_not_wait(void **state)
{
    (void)state;
    int in[2], out[2];
    assert_int_equal(pipe(in) | pipe(out), 0);
    fcntl(in[1], F_SETFD, FD_CLOEXEC);
    pid_t child = stage_start(in[0], out[1], 0, NULL);
    /* The child has a copy of in[1] too: the end of the input is never seen, which is not what this is about. */
    close(in[0]);
    close(out[1]);
    Record r;
    Writer *w = writer_new(in[1], "in", 0);
    Reader *reader = reader_open_fd(out[0], "out");
    writer_header(w, "source", NULL, NULL, (Slice){NULL, 0}, NULL);
    assert_true(writer_flush(w));
    assert_int_equal(reader_next(reader, &r), RECORD_HEADER);
    for (int i = 0; i < 3; i++) {
        writer_record(w, SLICE("x"), NULL, NULL, 0);
        assert_true(writer_flush(w));
        assert_int_equal(reader_next(reader, &r), RECORD_DATA); /* hangs, and the test with it, where output waits */
    }
    kill(child, SIGTERM);
    assert_int_equal(reader_next(reader, &r), RECORD_END);
    assert_int_equal(reader_end(reader).status, STATUS_INTERRUPTED);
    assert_int_equal(stage_wait(child), STATUS_INTERRUPTED);
    reader_free(reader);
    writer_free(w);
    close(in[1]);
}

/* Asked to end, a stage finishes the record in hand, however many more it has already read. */
static void test_interrupted(void **state)
{
    (void)state;
    int in = segment_write(new_file(), "one", (const char *const[]){"a", "stop", "b", "c", NULL}, 0), status;
    json_t *all = run_stage(in, &status);
    assert_int_equal(status, STATUS_INTERRUPTED);
    assert_int_equal(json_array_size(all), 4);
    assert_string_equal(json_string_value(json_object_get(json_array_get(all, 2), "id")), "stop");
    const json_t *end = json_object_get(json_array_get(all, 3), "end");
    assert_int_equal(json_integer_value(json_object_get(end, "status")), STATUS_INTERRUPTED);
    assert_int_equal(json_integer_value(json_object_get(end, "records")), 2);
    json_decref(all);
    close(in);
}

static void test_output_that_cannot_be_written(void **state)
{
    (void)state;
    int full = open("/dev/full", O_WRONLY), in = segment_write(new_file(), "one", (const char *const[]){"a", NULL}, 0);
    lseek(in, 0, SEEK_SET);
    assert_int_equal(stage_wait(stage_start(in, full, 0, NULL)), STATUS_FAILURE);
    close(full);
    close(in);
    /* Nobody reads: the stage ends rather than working on, with the status of one that died of SIGPIPE. */
    int out[2];
    in = segment_write(new_file(), "one", (const char *const[]){"a", NULL}, 0);
    lseek(in, 0, SEEK_SET);
    assert_int_equal(pipe(out), 0);
    close(out[0]);
    assert_int_equal(stage_wait(stage_start(in, out[1], 0, NULL)), STATUS_CLOSED);
    close(out[1]);
    close(in);
}

static void test_operands(void **state)
{
    (void)state;
    int a = segment_write(new_file(), "one", (const char *const[]){"a", NULL}, 0), out = new_file(),
        null = open("/dev/null", O_RDONLY);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", a);
    char *twice[] = {path, path, NULL}, *missing[] = {path, "/nonexistent", NULL};
    assert_int_equal(stage_wait(stage_start(null, out, 2, twice)), 0);
    assert_int_equal(stage_wait(stage_start(null, new_file(), 2, missing)), STATUS_FAILURE);
    Record r;
    lseek(out, 0, SEEK_SET);
    Reader *reader = reader_open_fd(out, "out");
    while (reader_next(reader, &r) != RECORD_NONE)
        assert_int_not_equal(r.kind, RECORD_FAILED);
    assert_int_equal(reader_end(reader).records, 2);
    reader_free(reader);
    close(a);
    close(null);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_and_groups),
        cmocka_unit_test(test_segments_are_joined),
        cmocka_unit_test(test_statuses_travel),
        cmocka_unit_test(test_cut_input),
        cmocka_unit_test(test_output_does_not_wait),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_output_that_cannot_be_written),
        cmocka_unit_test(test_operands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
