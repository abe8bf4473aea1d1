/* The miniature world's scenes, always the same and never in two splits; what is painted; and the truth written and read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "world/clip.h"
#include "world/draw.h"
#include "world/truth.h"

enum { SCENES = 3000 };

/* ---- scenes ---- */

static void scenes_are_the_same_again(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 200; i++) {
        Scene a = scene_draw(5, SPLIT_TRAIN, i, NULL), b = scene_draw(5, SPLIT_TRAIN, i, NULL),
              c = scene_draw(6, SPLIT_TRAIN, i, NULL);
        assert_memory_equal(&a, &b, sizeof a);
        assert_memory_not_equal(&a, &c, sizeof a);
    }
}

static void splits_share_no_content(void **state)
{
    (void)state;
    for (int split = 0; split < SPLITS; split++)
        for (uint64_t i = 0; i < SCENES; i++) {
            Scene s = scene_draw(i % 7, (Split)split, i, NULL);
            int bucket = scene_bucket(&s);
            assert_int_equal(s.other, split == SPLIT_OTHER);
            assert_int_equal(bucket <= 7, split == SPLIT_TRAIN);
            assert_int_equal(bucket == 8, split == SPLIT_VALIDATION);
        }
}

static void content_ignores_order_and_place(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 500; i++) {
        Scene s = scene_draw(1, SPLIT_TRAIN, i, NULL), t = s;
        for (int k = 0; k < s.n_objects; k++)
            t.objects[k] = s.objects[s.n_objects - 1 - k];
        t.objects[0].x = 0.5;
        assert_int_equal(scene_content(&s), scene_content(&t));
        t.objects[0].fill = (t.objects[0].fill + 1) % FILLS;
        assert_int_not_equal(scene_content(&s), scene_content(&t));
    }
}

static void every_value_comes_up(void **state)
{
    (void)state;
    int shapes[SHAPES] = {0}, hues[HUES] = {0}, fills[FILLS] = {0}, sizes[SIZES] = {0}, textures[TEXTURES] = {0}, n[4] = {0};
    for (uint64_t i = 0; i < SCENES; i++) {
        Scene s = scene_draw(1, SPLIT_TEST, i, NULL);
        n[s.n_objects]++;
        hues[s.ground]++;
        textures[s.texture]++;
        for (int k = 0; k < s.n_objects; k++) {
            shapes[s.objects[k].shape]++;
            hues[s.objects[k].colour]++;
            fills[s.objects[k].fill]++;
            sizes[s.objects[k].size]++;
        }
    }
    for (int k = 0; k < HUES; k++)
        assert_true(hues[k] > SCENES / 20);
    for (int k = 0; k < SHAPES; k++)
        assert_true(shapes[k] > SCENES / 10);
    assert_true(n[1] > SCENES / 5 && n[2] > SCENES / 5 && n[3] > SCENES / 10);
    assert_true(fills[0] && fills[1] && fills[2] && sizes[0] && sizes[1] && textures[0] && textures[1] && textures[2] &&
                textures[3]);
}

/* What a relation says holds for every moment of the shot, and every pair stands in one. */
static void relations_last_for_the_shot(void **state)
{
    (void)state;
    static const Relation opposite[] = {RIGHT_OF, LEFT_OF, BELOW, ABOVE, BESIDE};
    for (uint64_t i = 0; i < SCENES; i++) {
        Scene s = scene_draw(2, SPLIT_TRAIN, i, NULL), end = s;
        for (int k = 0; k < s.n_objects; k++) {
            end.objects[k].x += s.objects[k].dx;
            end.objects[k].y += s.objects[k].dy;
        }
        for (int a = 0; a < s.n_objects; a++)
            for (int b = 0; b < a; b++) {
                int held = 0;
                for (int r = 0; r < RELATIONS; r++) {
                    bool now = scene_relation(&s, a, (Relation)r, b);
                    held += now;
                    assert_int_equal(now, scene_relation(&end, a, (Relation)r, b));
                    assert_int_equal(now, scene_relation(&s, b, opposite[r], a));
                }
                assert_true(held > 0);
            }
    }
}

/* Somewhere in the frame each object's colour is to be seen, and at any size alike. */
static void objects_are_painted_in_their_colour(void **state)
{
    (void)state;
    static uint8_t rgb[128 * 128 * 3];
    for (uint64_t i = 0; i < 200; i++) {
        Scene s = scene_draw(3, SPLIT_TRAIN, i, NULL);
        int side = i % 2 ? 64 : 128;
        scene_paint(rgb, &s, (double)(i % 3) / 2, side);
        for (int k = 0; k < s.n_objects; k++) {
            int found = 0;
            for (int p = 0; p < side * side; p++)
                found += memcmp(rgb + 3 * p, hue_rgb[s.objects[k].colour], 3) == 0;
            assert_true(found > 4);
        }
    }
}

/* ---- truth ---- */

static void truth_comes_back(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_world-XXXXXX";
    Error err = {0};
    assert_non_null(mkdtemp(folder));
    ClipFormat format = {32, 8, 30};
    Clip clips[3];
    for (uint64_t i = 0; i < 3; i++) {
        clips[i] = clip_plan(7, SPLIT_OTHER, i, format.rate, NULL);
        if (!clip_render(folder, &clips[i], &format, &err))
            fail_msg("%s", err.text);
    }
    Truth t;
    if (!truth_read(&t, folder, &err))
        fail_msg("%s", err.text);
    for (uint64_t clip = 0; clip < 3; clip++) {
        const Shot *shots = clips[clip].shots;
        char *name = clip_name(7, SPLIT_OTHER, clip), *source = xasprintf("/some/where/%s.mp4", name);
        int n = clips[clip].n_shots;
        for (int i = 0; i < n; i++) {
            char *id = xasprintf("%s#%.3f~2", name, shots[i].start);
            const Shot *found = truth_find(&t, source, (shots[i].start + shots[i].end) / 2);
            assert_non_null(found);
            assert_int_equal(found->number, i);
            assert_ptr_equal(found, truth_find_id(&t, id));
            assert_int_equal(scene_content(&found->scene), scene_content(&shots[i].scene));
            assert_int_equal(found->scene.other, 1);
            for (int k = 0; k < found->scene.n_objects; k++)
                assert_true(found->scene.objects[k].x - shots[i].scene.objects[k].x < 1e-5);
            free(id);
        }
        assert_null(truth_find(&t, source, shots[n - 1].end + 0.1));
        free(name);
        free(source);
    }
    assert_null(truth_find(&t, "other-7-000009.mp4", 0));
    assert_null(truth_find_id(&t, "other-7-000001"));
    assert_null(truth_find_id(&t, "other-7-000001#x"));
    truth_release(&t);
    char *command = xasprintf("rm -r %s", folder);
    assert_int_equal(system(command), 0);
    free(command);
}

static void truth_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "{",
        "[]",
        "{\"clip\": 3}",
        "{\"clip\": \"a.mp4\", \"shot\": 0, \"start\": 0, \"end\": 1, \"scene\": {}}",
        "{\"clip\": \"a.mp4\", \"shot\": 0, \"start\": 0, \"end\": 1, \"scene\": {\"world\": \"main\", \"background\": "
        "{\"colour\": \"grey\", \"texture\": \"plain\"}, \"objects\": [], \"camera\": {\"pan\": [0, 0], \"zoom\": 1}, \"look\": "
        "1}}",
        "{\"clip\": \"a.mp4\", \"shot\": 0, \"start\": 0, \"end\": 1, \"scene\": {\"world\": \"main\", \"background\": "
        "{\"colour\": \"zebra\", \"texture\": \"plain\"}, \"objects\": [{\"shape\": \"circle\", \"colour\": \"red\", \"size\": "
        "\"big\", \"fill\": \"solid\", \"x\": 0, \"y\": 0, \"dx\": 0, \"dy\": 0, \"radius\": 0.1, \"angle\": 0}], \"camera\": "
        "{\"pan\": [0, 0], \"zoom\": 1}, \"look\": 1}}"};
    char path[] = "/tmp/test_world-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        Error err = {0};
        Truth t;
        assert_true(file_write(path, lines[i], strlen(lines[i]), &err));
        assert_false(truth_read(&t, path, &err));
        assert_non_null(strstr(err.text, path));
        assert_non_null(strstr(err.text, ":1"));
    }
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scenes_are_the_same_again),
        cmocka_unit_test(splits_share_no_content),
        cmocka_unit_test(content_ignores_order_and_place),
        cmocka_unit_test(every_value_comes_up),
        cmocka_unit_test(relations_last_for_the_shot),
        cmocka_unit_test(objects_are_painted_in_their_colour),
        cmocka_unit_test(truth_comes_back),
        cmocka_unit_test(truth_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
