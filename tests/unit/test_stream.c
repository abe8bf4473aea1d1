/* Streams: what is written is read back; a stream cut anywhere or with any byte changed is refused. */
#include "base/utf8.h"
#include "stream/stream.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#include <cmocka.h>

#include "stream/token.h"

/* ---- samples ---- */

static int memory_file(const void *data, size_t n)
{
    int fd = memfd_create("sample", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, n), n);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static unsigned char *file_bytes(int fd, size_t *n)
{
    off_t size = lseek(fd, 0, SEEK_END);
    unsigned char *data = malloc((size_t)size + 1);
    assert_int_equal(pread(fd, data, (size_t)size, 0), size);
    *n = (size_t)size;
    return data;
}

static void write_data(Writer *w, const char *id, size_t image, double score)
{
    unsigned char *bytes = malloc(image + 1);
    for (size_t i = 0; i < image; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 256);
    Packer frame = {0}, mine = {0};
    pack_map(&frame, 2);
    pack_string(&frame, "width");
    pack_int(&frame, 640);
    pack_string(&frame, "image");
    pack_bin(&frame, bytes, image);
    pack_map(&mine, 4);
    pack_string(&mine, "score");
    pack_real(&mine, score);
    pack_string(&mine, "half");
    pack_real32(&mine, 0.5f);
    pack_string(&mine, "ids");
    pack_ints(&mine, (int64_t[]){-1, 0, 127, 128, -32769, INT64_MAX, INT64_MIN}, 7);
    pack_string(&mine, "ok");
    pack_bool(&mine, true);
    Group groups[2] = {{{"frame", 5}, {frame.data, frame.size}}, {{"unknown", 7}, {mine.data, mine.size}}};
    assert_true(writer_record(w, (Slice){id, strlen(id)}, NULL, groups, 2));
    pack_release(&frame);
    pack_release(&mine);
    free(bytes);
}

static void write_segment(Writer *w, int records, size_t image, Slice upstream)
{
    assert_true(writer_header(w, "test", NULL, NULL, upstream, NULL));
    for (int i = 0; i < records; i++) {
        char id[32];
        snprintf(id, sizeof id, "r#%d", i);
        write_data(w, id, image, 0.1 * i);
    }
    assert_true(writer_batch(w, 0, records, 3));
    assert_true(writer_end(w, 0, 1, 0));
}

/* Two segments; level 0 is plain. */
static unsigned char *sample(int level, size_t image, size_t *n)
{
    int fd = memory_file("", 0);
    Writer *w = writer_new(fd, "sample", level);
    assert_true(writer_flush(w));
    write_segment(w, 2, image, (Slice){NULL, 0});
    assert_true(writer_flush(w)); /* between segments too, nothing is left to write */
    write_segment(w, 1, image, (Slice){"\x81\xa1x\x07", 4});
    assert_string_equal(writer_error(w)->text, "");
    writer_free(w);
    unsigned char *data = file_bytes(fd, n);
    close(fd);
    return data;
}

/* Reads to the end: the kinds as letters into `kinds`, the failure's text into err. Returns the exit status. */
static int read_through(const void *data, size_t n, char *kinds, size_t room, char *why)
{
    Record record;
    Reader *r = reader_open_fd(memory_file(data, n), "sample");
    RecordKind kind;
    size_t count = 0;
    do {
        kind = reader_next(r, &record);
        if (count + 1 < room)
            kinds[count++] = "HDBE.F"[kind];
    } while (kind != RECORD_NONE && kind != RECORD_FAILED);
    kinds[count] = '\0';
    int status = kind == RECORD_FAILED ? reader_error(r)->status : 0;
    if (why)
        snprintf(why, 200, "%.199s", reader_error(r)->text);
    if (kind == RECORD_FAILED)
        assert_int_equal(reader_next(r, &record), RECORD_FAILED); /* sticky */
    reader_free(r);
    return status;
}

static int read_status(const void *data, size_t n)
{
    char kinds[64];
    return read_through(data, n, kinds, sizeof kinds, NULL);
}

/* ---- tests ---- */

static void test_read_back(void **state)
{
    (void)state;
    for (int level = 0; level <= 3; level += 3) {
        size_t n;
        char kinds[64];
        unsigned char *data = sample(level, 100, &n);
        assert_int_equal(read_through(data, n, kinds, sizeof kinds, NULL), 0);
        assert_string_equal(kinds, "HDDBEHDBE.");
        free(data);
    }
}

static void test_concatenation_of_plain_and_zstd(void **state)
{
    (void)state;
    size_t n[4];
    unsigned char *part[4];
    for (int i = 0; i < 4; i++)
        part[i] = sample(i == 1 || i == 2 ? 1 : 0, 300000, &n[i]);
    unsigned char *all = malloc(n[0] + n[1] + n[2] + n[3]);
    size_t at = 0;
    for (int i = 0; i < 4; i++) {
        memcpy(all + at, part[i], n[i]);
        at += n[i];
        free(part[i]);
    }
    char kinds[64], why[200];
    assert_int_equal(read_through(all, at, kinds, sizeof kinds, why), 0);
    assert_string_equal(kinds, "HDDBEHDBEHDDBEHDBEHDDBEHDBEHDDBEHDBE.");
    free(all);
}

static void test_foreign_zstd(void **state)
{
    (void)state;
    size_t n;
    unsigned char *data = sample(0, 1000, &n), *packed = malloc(ZSTD_compressBound(n));
    size_t m = ZSTD_compress(packed, ZSTD_compressBound(n), data, n, 3);
    char kinds[64];
    assert_int_equal(read_through(packed, m, kinds, sizeof kinds, NULL), 0);
    assert_string_equal(kinds, "HDDBEHDBE.");
    free(data);
    free(packed);
}

static bool is_segment_boundary(const unsigned char *data, size_t n, size_t cut)
{
    /* The only place a two-segment stream may end early: behind the first segment, which by itself is a stream. */
    char kinds[64];
    return cut < n && read_through(data, cut, kinds, sizeof kinds, NULL) == 0 && strcmp(kinds, "HDDBE.") == 0;
}

static void check_cuts(int level)
{
    size_t n, whole = 0;
    unsigned char *data = sample(level, 50, &n);
    for (size_t cut = 0; cut < n; cut++) {
        if (is_segment_boundary(data, n, cut)) {
            whole++;
            continue;
        }
        assert_int_equal(read_status(data, cut), STATUS_CORRUPT);
    }
    assert_int_equal(whole, 1);
    free(data);
}

static void test_cut_anywhere(void **state)
{
    (void)state;
    check_cuts(0);
    check_cuts(3);
}

/* Each bit, all bits, and some in between: all 255 take minutes under the sanitizers. */
static void check_flips(int level)
{
    static const unsigned char changes[] = {1, 2, 4, 8, 16, 32, 64, 128, 255, 0x0f, 0xf0, 0x61};
    size_t n;
    unsigned char *data = sample(level, 50, &n);
    for (size_t i = 0; i < n; i++) {
        unsigned char kept = data[i];
        for (size_t k = 0; k < sizeof changes; k++) {
            data[i] = (unsigned char)(kept ^ changes[k]);
            int status = read_status(data, n);
            if (status != STATUS_CORRUPT)
                fail_msg("level %d, byte %zu: %02x for %02x: status %d", level, i, data[i], kept, status);
        }
        data[i] = kept;
    }
    assert_int_equal(read_status(data, n), 0);
    free(data);
}

static void test_any_byte_changed(void **state)
{
    (void)state;
    check_flips(0);
    check_flips(3);
}

static void test_fields(void **state)
{
    (void)state;
    size_t n, count;
    unsigned char *data = sample(0, 5, &n);
    Record r;
    Arena a = {0};
    Reader *in = reader_open_fd(memory_file(data, n), "sample");
    assert_int_equal(reader_next(in, &r), RECORD_HEADER);
    assert_string_equal(json_string_value(json_object_get(reader_header(in), "stage")), "test");
    assert_int_equal(reader_next(in, &r), RECORD_DATA);
    assert_int_equal(reader_next(in, &r), RECORD_DATA);
    assert_true(slice_equal(r.id, "r#1"));
    int64_t i, *ints;
    double d, *reals;
    bool b;
    Slice s;
    assert_int_equal(record_int(&r, "frame.width", &i), FIELD_OK);
    assert_int_equal(i, 640);
    assert_int_equal(record_real(&r, "unknown.score", &d), FIELD_OK);
    assert_true(d == 0.1);
    assert_int_equal(record_real(&r, "unknown.half", &d), FIELD_OK);
    assert_true(d == 0.5);
    assert_int_equal(record_bool(&r, "unknown.ok", &b), FIELD_OK);
    assert_true(b);
    assert_int_equal(record_ints(&r, "unknown.ids", &a, &ints, &count), FIELD_OK);
    assert_int_equal(count, 7);
    assert_true(ints[5] == INT64_MAX && ints[6] == INT64_MIN && ints[4] == -32769);
    assert_int_equal(record_reals(&r, "unknown.ids", &a, &reals, &count), FIELD_OK);
    assert_true(reals[3] == 128);
    assert_int_equal(record_bin(&r, "frame.image", &s), FIELD_OK);
    assert_int_equal(s.size, 5);
    assert_int_equal(record_string(&r, "frame.image", &s), FIELD_WRONG);
    assert_int_equal(record_string(&r, "frame.absent", &s), FIELD_MISSING);
    assert_int_equal(record_string(&r, "absent", &s), FIELD_MISSING);
    assert_int_equal(record_int(&r, "frame.width.more", &i), FIELD_WRONG);
    arena_release(&a);
    reader_free(in);
    free(data);
}

static void test_forward_and_add(void **state)
{
    (void)state;
    size_t n, m;
    unsigned char *data = sample(0, 40000, &n);
    Record r;
    int fd = memory_file("", 0);
    Writer *w = writer_new(fd, "copy", 0);
    Reader *in = reader_open_fd(memory_file(data, n), "sample");
    assert_int_equal(reader_next(in, &r), RECORD_HEADER);
    assert_true(writer_header_raw(w, reader_header_raw(in)));
    assert_int_equal(reader_next(in, &r), RECORD_DATA);
    assert_true(writer_forward(w, &r));
    assert_int_equal(reader_next(in, &r), RECORD_DATA);
    Packer p = {0};
    pack_string(&p, "new");
    Group replace[2] = {{{"unknown", 7}, {p.data, p.size}}, {{"more", 4}, {p.data, p.size}}};
    assert_true(writer_record(w, r.id, &r, replace, 2));
    assert_true(writer_end(w, 0, 0, 3));
    unsigned char *copy = file_bytes(fd, &m);
    writer_free(w);
    reader_free(in);
    close(fd);

    in = reader_open_fd(memory_file(copy, m), "copy");
    Slice s;
    assert_int_equal(reader_next(in, &r), RECORD_HEADER);
    assert_int_equal(reader_next(in, &r), RECORD_DATA);
    assert_int_equal(reader_next(in, &r), RECORD_DATA);
    assert_int_equal(r.n_groups, 3);
    assert_int_equal(record_bin(&r, "frame.image", &s), FIELD_OK);
    assert_int_equal(s.size, 40000);
    assert_int_equal(record_string(&r, "unknown", &s), FIELD_OK);
    assert_true(slice_equal(s, "new"));
    assert_int_equal(record_string(&r, "more", &s), FIELD_OK);
    assert_int_equal(reader_next(in, &r), RECORD_END);
    assert_int_equal(reader_end(in).status, 3);
    assert_int_equal(reader_end(in).records, 2);
    reader_free(in);
    pack_release(&p);
    free(data);
    free(copy);
}

static void test_another_version(void **state)
{
    (void)state;
    /* Version 2 with a digest that agrees is a mismatch; a changed byte in it is corruption. */
    int fd = memory_file("", 0);
    size_t n;
    Writer *w = writer_new(fd, "v2", 0);
    static const char header[] = "\x81\xa4vlrm\x02";
    assert_true(writer_header_raw(w, (Slice){header, sizeof header - 1}));
    write_data(w, "a", 10, 1);
    assert_true(writer_end(w, 0, 0, 0));
    writer_free(w);
    unsigned char *data = file_bytes(fd, &n);
    assert_int_equal(read_status(data, n), STATUS_MISMATCH);
    data[40] ^= 1;
    assert_int_equal(read_status(data, n), STATUS_CORRUPT);
    free(data);
    close(fd);
}

static void test_hostile_lengths(void **state)
{
    (void)state;
    char why[200], kinds[64];
    static const unsigned char bin[] = {0x81, 0xa4, 'v', 'l', 'r', 'm', 0xc6, 0xff, 0xff, 0xff, 0xff, 1};
    static const unsigned char map[] = {0xdf, 0xff, 0xff, 0xff, 0xff, 1};
    static const unsigned char array[] = {0x81, 0xa4, 'v', 'l', 'r', 'm', 0xdd, 0x20, 0, 0, 0, 1};
    assert_int_equal(read_through(bin, sizeof bin, kinds, sizeof kinds, why), STATUS_CORRUPT);
    assert_non_null(strstr(why, "1 GiB"));
    assert_int_equal(read_through(map, sizeof map, kinds, sizeof kinds, why), STATUS_CORRUPT);
    assert_non_null(strstr(why, "1 GiB"));
    assert_int_equal(read_through(array, sizeof array, kinds, sizeof kinds, why), STATUS_CORRUPT);
    assert_non_null(strstr(why, "inside a record"));
    unsigned char deep[2000];
    memset(deep, 0x81, sizeof deep);
    assert_int_equal(read_through(deep, sizeof deep, kinds, sizeof kinds, why), STATUS_CORRUPT);
    memset(deep + 6, 0x91, sizeof deep - 6);
    memcpy(deep, "\x81\xa4vlrm", 6);
    assert_int_equal(read_through(deep, sizeof deep, kinds, sizeof kinds, why), STATUS_CORRUPT);
    assert_non_null(strstr(why, "256 levels"));
}

/* msgpack -> JSON -> msgpack for every kind of value. */
static void test_json_both_ways(void **state)
{
    (void)state;
    Packer p = {0}, back = {0};
    Error err = {0};
    pack_map(&p, 12);
    pack_string(&p, "nil");
    pack_nil(&p);
    pack_string(&p, "bin");
    pack_bin(&p, "\0\xff\x10z", 4);
    pack_string(&p, "real");
    pack_reals(&p, (double[]){0.1, 2.0, 1e300, -0.0, 5e-324, (double)INFINITY}, 6);
    pack_string(&p, "uint");
    pack_uint(&p, UINT64_MAX);
    pack_string(&p, "int");
    pack_int(&p, INT64_MIN);
    pack_string(&p, "ext");
    pack_ext(&p, -5, "abc", 3);
    pack_string(&p, "text");
    pack_string_n(&p, "a\0\"\\\n\x7f\xc3\xa9", 8);
    pack_string(&p, "bad");
    pack_string_n(&p, "\xff\xfe", 2);
    pack_string(&p, "mark");
    pack_string(&p, "<12 bytes>");
    pack_string(&p, "odd");
    pack_map(&p, 2);
    pack_int(&p, 1);
    pack_bool(&p, true);
    pack_int(&p, 1);
    pack_bool(&p, false);
    pack_string(&p, "dollar");
    pack_map(&p, 1);
    pack_string(&p, "$bin");
    pack_string(&p, "no");
    pack_string(&p, "empty");
    pack_map(&p, 0);
    json_t *j = slice_json((Slice){p.data, p.size});
    assert_non_null(j);
    size_t n;
    char *line = json_line(j, &n);
    assert_null(strchr(line, '\n'));
    json_error_t e;
    json_t *again = json_loadb(line, n, JSON_ALLOW_NUL, &e);
    assert_non_null(again);
    if (!pack_json_strict(&back, again, &err))
        fail_msg("%s", err.text);
    assert_int_equal(back.size, p.size);
    assert_memory_equal(back.data, p.data, p.size);
    free(line);
    json_decref(j);
    json_decref(again);
    pack_release(&p);
    pack_release(&back);
}

static void test_utf8(void **state)
{
    (void)state;
    assert_true(utf8_valid("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10));
    assert_false(utf8_valid("\xc0\x80", 2));
    assert_false(utf8_valid("\xed\xa0\x80", 3));
    assert_false(utf8_valid("\xe2\x82", 2));
    assert_false(utf8_valid("\xf4\x90\x80\x80", 4));
}

static void test_full_disk(void **state)
{
    (void)state;
    int fd = open("/dev/full", O_WRONLY);
    Writer *w = writer_new(fd, "/dev/full", 0);
    assert_true(writer_header(w, "test", NULL, NULL, (Slice){NULL, 0}, NULL));
    assert_false(writer_end(w, 0, 0, 0));
    assert_non_null(strstr(writer_error(w)->text, "/dev/full: write: No space left"));
    writer_free(w);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_back),
        cmocka_unit_test(test_concatenation_of_plain_and_zstd),
        cmocka_unit_test(test_foreign_zstd),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_any_byte_changed),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_forward_and_add),
        cmocka_unit_test(test_another_version),
        cmocka_unit_test(test_hostile_lengths),
        cmocka_unit_test(test_json_both_ways),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
