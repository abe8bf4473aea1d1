/*
 * Any bytes as records (a stream, or JSON lines when they begin with a brace) through what stages read of them: frame, features,
 * caption, reward; and kept records parsed again. An error that says why, or values that fit together.
 *
 * About: lib/stage/frame.c lib/stage/spool.c lib/stream/record.c lib/stream/token.c src/reward/caption.c src/update/batch.c
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reward/caption.h"
#include "stage/frame.h"
#include "tests/fuzz/given.h"
#include "update/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIDE = 8, ROWS = 2, COLS = 3, PIXELS_MAX = 1 << 18 };

/* Names that a record may give a picture's file here: the seeds'. */
static bool is_seed(Slice path)
{
    static const char folder[] = "tests/fuzz/seeds/image/";
    return path.size > sizeof folder - 1 && memcmp(path.data, folder, sizeof folder - 1) == 0 &&
           !memmem(path.data, path.size, "..", 2);
}

/* Whether the frame's picture costs no time. fuzz_image has larger ones. */
static bool small_picture(const Record *r)
{
    Slice bytes, path;
    ImageInfo info;
    Error err = {0};
    if (frame_by_path(r))
        return record_string(r, "frame.path", &path) == FIELD_OK && is_seed(path);
    return record_bin(r, "frame.image", &bytes) != FIELD_OK || !image_info(&info, bytes.data, bytes.size, &err) ||
           (int64_t)info.width * info.height <= PIXELS_MAX;
}

/* The record's frame with its picture in it, as the learner keeps it. */
static void embed_frame(const Record *r)
{
    Packer p = {0};
    Error err = {0};
    json_t *frame = NULL;
    if (frame_embed(&p, r, &err) ? !(frame = slice_json((Slice){p.data, p.size})) : !err.text[0])
        abort();
    json_decref(frame);
    pack_release(&p);
}

static void read_frame(const Record *r)
{
    static const Preprocess p = {.size = SIDE, .std = {1, 1, 1}}, crop = {.size = SIDE, .crop = true, .std = {1, 1, 1}};
    float pixels[3 * SIDE * SIDE];
    real features[ROWS * COLS];
    Error err = {0};
    if (small_picture(r) && !frame_pixels(pixels, r, r->id.size % 2 ? &p : &crop, &err) && !err.text[0])
        abort();
    if (frame_by_path(r) && small_picture(r))
        embed_frame(r);
    features_read(features, r, "0123456789abcdef", ROWS, COLS);
}

static void read_caption(const Record *r, const CaptionReader *reader)
{
    Arena arena = {0};
    Caption c;
    Error err = {0};
    Packer p = {0};
    if (caption_read(&c, &arena, reader, r, &err)) {
        if (c.text.count != c.n || c.text.text.size > c.text.whole.size)
            abort();
        if (record_raw(r, "caption").data)
            caption_pack(&p, r, &c);
    } else if (!err.text[0])
        abort();
    pack_release(&p);
    arena_release(&arena);
}

static void read_batch(Batch *b, const Record *r, bool returns)
{
    static const Captioner whole; /* it cuts no pictures */
    const BatchNeeds needs = {.returns = returns, .vocabulary = 300, .max_tokens = 20, .captioner = &whole};
    Arena arena = {0};
    Record again;
    Error err = {0};
    if (batch_add(b, r, &needs, &err)) {
        if (!batch_record(b, b->n - 1, &again, &arena, &err) || again.raw.size != r->raw.size || again.n_groups != r->n_groups)
            abort();
    } else if (!err.text[0])
        abort();
    arena_release(&arena);
}

static Reader *open_records(int fd, const uint8_t *data, size_t size)
{
    char path[64];
    Error err = {0};
    Reader *in = size > 0 && data[0] == '{' ? reader_open_json(given_path(path, fd), &err) : reader_open_fd(dup(fd), "fuzz");
    if (!in)
        abort();
    return in;
}

static CaptionReader *captions(void)
{
    static CaptionReader reader;
    Error err = {0};
    char *folder = share_path("tiny/captioner");
    if (!reader.tokenizer && !caption_reader_init(&reader, folder, &err))
        die("%s", err.text);
    free(folder);
    return &reader;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = given_file(data, size);
    Reader *in = open_records(fd, data, size);
    Record r;
    RecordKind kind;
    Batch b;
    batch_init(&b, "/tmp", size % 4 ? 1 << 20 : 64);
    while ((kind = reader_next(in, &r)) != RECORD_NONE && kind != RECORD_FAILED) {
        header_param(reader_header(in), "extract", "seed");
        if (kind != RECORD_DATA)
            continue;
        read_frame(&r);
        read_caption(&r, captions());
        read_batch(&b, &r, size % 2);
    }
    if (kind == RECORD_FAILED && !reader_error(in)->text[0])
        abort();
    batch_release(&b);
    reader_free(in);
    close(fd);
    return 0;
}
