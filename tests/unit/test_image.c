/* lib/media/image: what goes in comes out, upright and opaque; what is damaged is refused. Pixels against Pillow: test_resize.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <png.h>

#include "media/exif.h"
#include "media/image.h"

static Image drawn(int width, int height)
{
    Image im;
    image_init(&im, width, height);
    for (int i = 0; i < width * height * 3; i++)
        im.rgb[i] = (uint8_t)(i * 7 + i / 50);
    return im;
}

static void png_keeps_every_pixel(void **state)
{
    (void)state;
    Error err = {0};
    Image im = drawn(37, 21), back;
    Buffer file = {0};
    bool changed = true;
    assert_true(image_encode_png(&file, &im, &err));
    assert_true(image_decode(&back, &changed, file.data, file.size, &err));
    assert_false(changed);
    assert_int_equal(back.width, 37);
    assert_memory_equal(back.rgb, im.rgb, 37 * 21 * 3);
    image_release(&back);
    for (size_t n = 0; n < file.size; n++) { /* cut anywhere */
        Error cut = {0};
        assert_false(image_decode(&back, NULL, file.data, n, &cut));
        assert_true(cut.text[0] != '\0');
    }
    buffer_release(&file);
    image_release(&im);
}

static void cut_jpeg_is_refused(void **state)
{
    (void)state;
    Error err = {0};
    Image im = drawn(64, 48), back;
    Buffer file = {0};
    assert_true(image_encode_jpeg(&file, &im, 90, &err));
    assert_true(image_decode(&back, NULL, file.data, file.size, &err));
    image_release(&back);
    for (size_t n = 0; n + 8 < file.size; n++) {
        Error cut = {0};
        assert_false(image_decode(&back, NULL, file.data, n, &cut));
    }
    buffer_release(&file);
    image_release(&im);
}

/* An EXIF segment that says `orientation`, put behind the first marker of a JPEG. */
static void add_exif(Buffer *out, const Buffer *jpeg, int orientation)
{
    uint8_t exif[] = {0xff, 0xe1, 0, 34, 'E', 'x',  'i',  'f', 0, 0, 'M', 'M', 0, 42, 0,
                      0,    0,    8, 0,  1,   0x01, 0x12, 0,   3, 0, 0,   0,   1, 0,  (uint8_t)orientation,
                      0,    0,    0, 0,  0,   0};
    buffer_set(out, jpeg->data, 2);
    buffer_add(out, exif, sizeof exif);
    buffer_add(out, jpeg->data + 2, jpeg->size - 2);
}

/* Each orientation, decoded and turned without decoding, gives the same picture as turning the pixels. */
static void orientations(void **state)
{
    (void)state;
    Error err = {0};
    Image im = drawn(32, 16), plain;
    Buffer jpeg = {0}, marked = {0}, turned = {0};
    assert_true(image_encode_jpeg(&jpeg, &im, 95, &err));
    assert_true(image_decode(&plain, NULL, jpeg.data, jpeg.size, &err));
    for (int o = 1; o <= 8; o++) {
        Image a, b, want = drawn(32, 16);
        bool changed;
        memcpy(want.rgb, plain.rgb, 32 * 16 * 3);
        image_orient(&want, o);
        add_exif(&marked, &jpeg, o);
        assert_int_equal(jpeg_orientation(marked.data, marked.size), o);
        assert_true(image_decode(&a, &changed, marked.data, marked.size, &err));
        assert_int_equal(changed, o != 1);
        assert_int_equal(a.width, o >= 5 ? 16 : 32);
        assert_memory_equal(a.rgb, want.rgb, 32 * 16 * 3);
        assert_true(jpeg_orient(&turned, marked.data, marked.size, o));
        assert_true(image_decode(&b, &changed, turned.data, turned.size, &err));
        assert_false(changed);
        assert_int_equal(b.width, a.width);
        image_release(&a);
        image_release(&b);
        image_release(&want);
    }
    buffer_release(&jpeg);
    buffer_release(&marked);
    buffer_release(&turned);
    image_release(&im);
    image_release(&plain);
}

/* Orientation 6 is a quarter turn to the right: the left column, from below, becomes the top row. */
static void six_turns_right(void **state)
{
    (void)state;
    Image im;
    image_init(&im, 1, 2);
    memcpy(im.rgb, "\1\1\1\2\2\2", 6);
    image_orient(&im, 6);
    assert_int_equal(im.width, 2);
    assert_memory_equal(im.rgb, "\2\2\2\1\1\1", 6);
    image_release(&im);
}

static void transparency_is_laid_on_white(void **state)
{
    (void)state;
    Error err = {0};
    uint8_t rgba[] = {255, 0, 0, 255, 255, 0, 0, 0, 255, 0, 0, 128}, want[] = {255, 0, 0, 255, 255, 255, 255, 127, 127};
    png_image writer = {.version = PNG_IMAGE_VERSION, .width = 3, .height = 1, .format = PNG_FORMAT_RGBA};
    uint8_t file[1000];
    png_alloc_size_t size = sizeof file;
    assert_true(png_image_write_to_memory(&writer, file, &size, 0, rgba, 0, NULL));
    Image im;
    bool changed;
    assert_true(image_decode(&im, &changed, file, size, &err));
    assert_true(changed);
    assert_memory_equal(im.rgb, want, 9);
    image_release(&im);
}

static void garbage_is_refused(void **state)
{
    (void)state;
    Image im;
    srand(5);
    for (int round = 0; round < 2000; round++) {
        static const char *const magic[] = {"\xff\xd8\xff\xe0", "\x89PNG\r\n\x1a\n", "RIFF\1\0\0\0WEBPVP8 ", "II*\0"};
        uint8_t bytes[96];
        Error err = {0};
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)rand();
        memcpy(bytes, magic[round % 4], round % 4 == 2 ? 16 : round % 4 == 1 ? 8 : 4);
        assert_false(image_decode(&im, NULL, bytes, sizeof bytes, &err));
        assert_in_range(exif_orientation(bytes, sizeof bytes), 1, 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_keeps_every_pixel),
        cmocka_unit_test(cut_jpeg_is_refused),
        cmocka_unit_test(orientations),
        cmocka_unit_test(six_turns_right),
        cmocka_unit_test(transparency_is_laid_on_white),
        cmocka_unit_test(garbage_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
