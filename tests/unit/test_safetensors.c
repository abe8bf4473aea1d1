/*
 * Checkpoints: what the writer writes the reader reads, indexes, and headers that lie. Every hostile file must give an error that
 * names the file and what is wrong, never a crash.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors_write.h"

static char folder[] = "/tmp/vlrm-safetensors-XXXXXX";

static char *in_folder(const char *name)
{
    return path_join(folder, name);
}

/* A file of a header and `values` bytes of zeros; returns its path, which the caller frees. */
static char *write_raw(const char *name, const char *header, size_t length, uint64_t claimed, size_t values)
{
    char *path = in_folder(name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    for (int i = 0; i < 8; i++)
        fputc((int)(claimed >> (8 * i) & 255), f);
    fwrite(header, 1, length, f);
    for (size_t i = 0; i < values; i++)
        fputc(0, f);
    assert_int_equal(fclose(f), 0);
    return path;
}

/* The header must be refused with a message that has `expected` and the file's name in it. */
static void refuse(const char *header, size_t values, const char *expected)
{
    char *path = write_raw("hostile.safetensors", header, strlen(header), strlen(header), values);
    Error err = {0};
    Checkpoint *c = checkpoint_open(path, &err);
    if (c)
        fail_msg("accepted: %s", header);
    if (!strstr(err.text, expected) || !strstr(err.text, "hostile.safetensors"))
        fail_msg("%s: says \"%s\", expected \"%s\"", header, err.text, expected);
    assert_int_equal(err.status, STATUS_CORRUPT);
    free(path);
}

static void test_hostile_headers(void **state)
{
    (void)state;
    refuse("", 0, "JSON");
    refuse("[]", 0, "no JSON object");
    refuse("{\"a\": 3}", 0, "tensor a: no object");
    refuse("{\"a\": {\"shape\": [1], \"data_offsets\": [0, 4]}}", 4, "tensor a: dtype");
    refuse("{\"a\": {\"dtype\": \"F31\", \"shape\": [1], \"data_offsets\": [0, 4]}}", 4, "tensor a: unknown dtype \"F31\"");
    refuse("{\"a\": {\"dtype\": \"F32\", \"data_offsets\": [0, 4]}}", 4, "tensor a: shape");
    refuse("{\"a\": {\"dtype\": \"F32\", \"shape\": [-1], \"data_offsets\": [0, 4]}}", 4, "tensor a: dimension 0");
    refuse("{\"a\": {\"dtype\": \"F32\", \"shape\": [1.5], \"data_offsets\": [0, 4]}}", 4, "tensor a: dimension 0");
    refuse("{\"a\": {\"dtype\": \"F32\", \"shape\": [1,1,1,1,1,1,1,1,1], \"data_offsets\": [0, 4]}}", 4,
           "tensor a: 9 dimensions");
    refuse("{\"a\": {\"dtype\": \"F32\", \"shape\": [4294967296, 4294967296], \"data_offsets\": [0, 4]}}", 4,
           "tensor a: the shape overflows");
    refuse("{\"a\": {\"dtype\": \"F64\", \"shape\": [2305843009213693952], \"data_offsets\": [0, 0]}}", 0,
           "tensor a: the shape overflows");
    refuse("{\"a\": {\"dtype\": \"F32\", \"shape\": [1]}}", 4, "tensor a: data_offsets");
    refuse("{\"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0]}}", 4, "tensor a: data_offsets");
    refuse("{\"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [-4, 0]}}", 4, "tensor a: data_offsets");
    refuse("{\"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [4, 0]}}", 4, "tensor a: data_offsets [4, 0]");
    refuse("{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 8]}}", 4, "truncated");
    refuse("{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 4]}}", 4,
           "tensor a: 4 bytes for shape [2] of F32, expected 8");
    refuse("{\"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 9223372036854775807]}}", 4, "tensor a");
    refuse("{\"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 99999999999999999999]}}", 4, "JSON");
    refuse("{\"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]}}", 8, "belong to no tensor");
    refuse("{\"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [4, 8]}}", 8, "before tensor a");
    refuse("{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 8]}, \"b\": {\"dtype\": \"F32\", \"shape\": [2], "
           "\"data_offsets\": [4, 12]}}",
           12, "tensor b overlaps tensor a");
    refuse("{\"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]}, \"a\": {\"dtype\": \"F32\", \"shape\": [1], "
           "\"data_offsets\": [4, 8]}}",
           8, "duplicate");
    refuse("{\"__metadata__\": {\"x\": 1}, \"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]}}", 4,
           "__metadata__");
    refuse("{\"a\\u0000b\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]}}", 4, "JSON");
}

static void test_deep_json(void **state)
{
    (void)state;
    const size_t depth = 4000000;
    char *text = xmalloc(depth + 1);
    memset(text, '[', depth);
    text[depth] = '\0';
    refuse(text, 0, "JSON");
    for (size_t i = 0; i + 6 <= depth; i += 6)
        memcpy(text + i, "{\"a\":{", 6);
    refuse(text, 0, "JSON");
    free(text);
}

static void test_lengths(void **state)
{
    (void)state;
    static const struct {
        uint64_t claimed;
        size_t size;
    } cases[] = {{UINT64_MAX, 2}, {3, 2}, {(uint64_t)1 << 63, 2}, {UINT64_MAX - 7, 2}, {0, 0}};
    for (size_t i = 0; i < 5; i++) {
        char *path = write_raw("length.safetensors", "{}", cases[i].size, cases[i].claimed, 0);
        Error err = {0};
        assert_null(checkpoint_open(path, &err));
        assert_non_null(strstr(err.text, "length.safetensors"));
        free(path);
    }
    char *path = in_folder("length.safetensors");
    for (size_t size = 0; size < 8; size++) { /* not even a length */
        Error err = {0};
        assert_true(file_write(path, "1234567", size, &err));
        assert_null(checkpoint_open(path, &err));
        assert_non_null(strstr(err.text, "too few"));
    }
    free(path);
}

static void test_missing(void **state)
{
    (void)state;
    Error err = {0};
    assert_null(checkpoint_open("/nonexistent/model.safetensors", &err));
    assert_non_null(strstr(err.text, "/nonexistent/model.safetensors: No such file"));
    err = (Error){0};
    assert_null(checkpoint_open("/proc/self/ns", &err));
    assert_non_null(strstr(err.text, "no *.safetensors"));
}

/* ---- the writer ---- */

static void count_up(void *context, size_t first, size_t n, float *out)
{
    (void)context;
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(first + i);
}

static char *write_sample(const char *name)
{
    static const float floats[6] = {1, -2.5f, 3, 65504, 1e-3f, 0};
    static const int64_t ids[2] = {7, -1};
    const TensorSource sources[] = {
        {.name = "ids", .shape = SHAPE(1, 2), .dtype = "I64", .raw = true, .data = ids, .raw_bytes = sizeof ids},
        {.name = "half", .shape = SHAPE(3), .dtype = "F16", .type = DTYPE_F32, .data = floats},
        {.name = "brain", .shape = SHAPE(2, 3), .dtype = "BF16", .type = DTYPE_F32, .data = floats},
        {.name = "scalar", .shape = {0}, .dtype = "F32", .type = DTYPE_F32, .data = floats},
        {.name = "counted \"\xc3\xa9\"", .shape = SHAPE(700000), .dtype = "F32", .produce = count_up},
        {.name = "empty", .shape = SHAPE(0, 4), .dtype = "F32", .type = DTYPE_F32, .data = floats},
        {.name = "wide", .shape = SHAPE(6), .dtype = "F64", .type = DTYPE_F32, .data = floats},
    };
    char *path = in_folder(name);
    Error err = {0};
    if (!safetensors_write(path, sources, 7, (const char *const[]){"format", "pt", NULL}, &err))
        fail_msg("%s", err.text);
    return path;
}

static double value(const Checkpoint *c, const char *name, size_t i)
{
    const StoredTensor *t = checkpoint_find(c, name);
    assert_non_null(t);
    assert_true(t->real_valued);
    assert_int_equal((uintptr_t)t->data % dtype_size(t->type), 0); /* the writer aligns */
    return dtype_load(t->type, t->data, i);
}

static void test_round_trip(void **state)
{
    (void)state;
    char *path = write_sample("sample.safetensors");
    Error err = {0};
    Checkpoint *c = checkpoint_open(path, &err);
    if (!c)
        fail_msg("%s", err.text);
    assert_int_equal(checkpoint_count(c), 7);
    for (size_t i = 1; i < 7; i++)
        assert_true(strcmp(checkpoint_get(c, i - 1)->name, checkpoint_get(c, i)->name) < 0);
    assert_string_equal(checkpoint_metadata(c, "format"), "pt");
    assert_null(checkpoint_find(c, "nobody"));
    assert_true(value(c, "half", 1) == -2.5);
    assert_true(value(c, "brain", 3) == 65536); /* 65504 rounds up in bf16 */
    assert_true(value(c, "wide", 4) == (double)1e-3f);
    assert_true(value(c, "scalar", 0) == 1);
    assert_true(value(c, "counted \"\xc3\xa9\"", 699999) == 699999);
    const StoredTensor *ids = checkpoint_find(c, "ids");
    assert_false(ids->real_valued);
    assert_int_equal(((const int64_t *)ids->data)[1], -1);
    assert_int_equal(checkpoint_find(c, "scalar")->shape.ndim, 0);
    checkpoint_free(c);
    free(path);
}

static void test_digest(void **state)
{
    (void)state;
    char *a = write_sample("a.safetensors"), *b = write_sample("b.safetensors");
    Error err = {0};
    FILE *f = fopen(b, "r+b"); /* another file with the same tensors, but for one bit of the last */
    assert_non_null(f);
    assert_int_equal(fseek(f, -1, SEEK_END), 0);
    fputc(0x3f ^ 1, f);
    assert_int_equal(fclose(f), 0);
    Checkpoint *x = checkpoint_open(a, &err), *y = checkpoint_open(b, &err);
    assert_non_null(x);
    assert_non_null(y);
    assert_int_not_equal(checkpoint_digest(x, NULL, 0), checkpoint_digest(y, NULL, 0));
    const char *const some[] = {"coun", "brain"};
    assert_int_equal(checkpoint_digest(x, some, 2), checkpoint_digest(y, some, 2));
    assert_int_not_equal(checkpoint_digest(x, some, 2), checkpoint_digest(x, some, 1));
    checkpoint_free(x);
    checkpoint_free(y);
    free(a);
    free(b);
}

static long faults(void)
{
    struct rusage use;
    assert_int_equal(getrusage(RUSAGE_SELF, &use), 0);
    return use.ru_minflt + use.ru_majflt;
}

/* The digest of a part after that of the whole touches no page of the mapping; reading 32 MiB takes hundreds of faults. */
static void test_digest_reads_once(void **state)
{
    (void)state;
    enum { VALUES = 8 << 20 };
    float *values = xcalloc(VALUES, sizeof *values);
    const TensorSource source = {.name = "part.a", .shape = SHAPE(VALUES), .dtype = "F32", .data = values};
    Error err = {0};
    const char *const part[] = {"part."};
    char *path = in_folder("large.safetensors");
    assert_true(safetensors_write(path, &source, 1, NULL, &err));
    Checkpoint *c = checkpoint_open(path, &err);
    assert_non_null(c);
    long before = faults();
    uint64_t whole = checkpoint_digest(c, NULL, 0);
    long first = faults() - before;
    assert_int_equal(checkpoint_digest(c, part, 1), whole);
    assert_true(faults() - before - first < first / 4);
    checkpoint_free(c);
    free(values);
    free(path);
}

static void test_writer_errors(void **state)
{
    (void)state;
    const float one = 1;
    Error err = {0};
    const TensorSource twice[] = {{.name = "a", .dtype = "F32", .data = &one}, {.name = "a", .dtype = "F32", .data = &one}};
    char *path = in_folder("twice.safetensors");
    assert_false(safetensors_write(path, twice, 2, NULL, &err));
    assert_non_null(strstr(err.text, "tensor a is given twice"));
    assert_int_equal(access(path, F_OK), -1);
    err = (Error){0};
    const TensorSource odd = {.name = "a", .dtype = "I8", .data = &one};
    assert_false(safetensors_write(path, &odd, 1, NULL, &err));
    assert_non_null(strstr(err.text, "cannot write values as I8"));
    err = (Error){0};
    assert_false(safetensors_write("/nonexistent/x.safetensors", twice, 1, NULL, &err));
    free(path);
}

/* ---- indexes ---- */

static void write_text(const char *name, const char *text)
{
    char *path = in_folder(name);
    Error err = {0};
    assert_true(file_write(path, text, strlen(text), &err));
    free(path);
}

static void write_one(const char *file, const char *first, const char *second)
{
    const float values[2] = {1, 2};
    TensorSource s[2] = {{.name = first, .shape = SHAPE(2), .dtype = "F32", .data = values},
                         {.name = second, .shape = SHAPE(2), .dtype = "F32", .data = values}};
    char *path = in_folder(file);
    Error err = {0};
    assert_true(safetensors_write(path, s, second ? 2 : 1, NULL, &err));
    free(path);
}

/* Opens FOLDER/NAME; NULL expected means success with `count` tensors. */
static void open_index(const char *name, const char *expected, size_t count)
{
    char *path = in_folder(name);
    Error err = {0};
    Checkpoint *c = checkpoint_open(path, &err);
    if (expected && (c || !strstr(err.text, expected)))
        fail_msg("%s: says \"%s\", expected \"%s\"", name, err.text, expected);
    if (!expected && !c)
        fail_msg("%s", err.text);
    if (c)
        assert_int_equal(checkpoint_count(c), count);
    checkpoint_free(c);
    free(path);
}

static void test_index(void **state)
{
    (void)state;
    char *sub = in_folder("sharded");
    assert_int_equal(mkdir(sub, 0755), 0);
    free(sub);
    write_one("sharded/odd-name.safetensors", "a", "left-out");
    write_one("sharded/other.safetensors", "b", "a"); /* a second a, which the index does not mean */
    open_index("sharded", "such files", 0);
    write_text("sharded/x.safetensors.index.json",
               "{\"weight_map\": {\"a\": \"odd-name.safetensors\", \"b\": \"other.safetensors\"}}");
    open_index("sharded", NULL, 2);
    write_text("sharded/x.safetensors.index.json",
               "{\"weight_map\": {\"a\": \"odd-name.safetensors\", \"c\": \"other.safetensors\"}}");
    open_index("sharded", "tensor c is not in other.safetensors", 0);
    write_text("sharded/x.safetensors.index.json", "{\"weight_map\": {\"a\": \"../sample.safetensors\"}}");
    open_index("sharded", "is not a .safetensors or .bin file of this folder", 0);
    write_text("sharded/x.safetensors.index.json", "{\"weight_map\": {\"a\": \"absent.safetensors\"}}");
    open_index("sharded", "absent.safetensors: No such file", 0);
    write_text("sharded/x.safetensors.index.json", "{\"weight_map\": {}}");
    open_index("sharded", "weight_map is missing or empty", 0);
    write_text("sharded/x.safetensors.index.json", "{\"weight_map\": ");
    open_index("sharded", "x.safetensors.index.json: line 1", 0);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char *command = xasprintf("rm -r '%s'", folder);
    int status = system(command);
    free(command);
    return status;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile_headers),   cmocka_unit_test(test_deep_json),     cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_missing),           cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_digest),
        cmocka_unit_test(test_digest_reads_once), cmocka_unit_test(test_writer_errors), cmocka_unit_test(test_index),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
