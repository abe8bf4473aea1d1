/* Fields of a config.json, one at a time; see config_fields.h. */
#include "models/config_fields.h"

#include <limits.h>
#include <math.h>
#include <string.h>

const json_t *config_field(const ConfigFields *f, const char *name)
{
    const json_t *v = json_object_get(f->first, name);
    return v && !json_is_null(v) ? v : json_object_get(f->second, name);
}

void config_fail(ConfigFields *f, const char *name, const char *expected)
{
    const json_t *v = config_field(f, name);
    char *found = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
    f->ok = error_set(f->err, "%s.%s is %.64s, expected %s", f->what, name, found ? found : "?", expected);
    free(found);
}

size_t config_size(ConfigFields *f, const char *name, size_t fallback)
{
    const json_t *v = config_field(f, name);
    if (!v || json_is_null(v))
        return fallback;
    if (json_is_integer(v) && json_integer_value(v) > 0 && json_integer_value(v) <= 1 << 24)
        return (size_t)json_integer_value(v);
    config_fail(f, name, "a number from 1 to 16777216");
    return fallback;
}

static bool is_token_id(const json_t *v)
{
    return json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) <= INT32_MAX;
}

int32_t config_id(ConfigFields *f, const char *name, int32_t fallback)
{
    const json_t *v = config_field(f, name);
    if (json_is_array(v))
        v = json_array_get(v, 0);
    if (!v || json_is_null(v))
        return fallback;
    if (is_token_id(v))
        return (int32_t)json_integer_value(v);
    config_fail(f, name, "a token id");
    return fallback;
}

EosIds config_eos_ids(ConfigFields *f, EosIds fallback)
{
    const json_t *v = config_field(f, "eos_token_id");
    EosIds eos = {0};
    if (!v || json_is_null(v))
        return fallback;
    const size_t n = json_is_array(v) ? json_array_size(v) : 1;
    bool ok = n > 0 && n <= MOST_EOS;
    for (size_t i = 0; i < n && ok; i++) {
        const json_t *id = json_is_array(v) ? json_array_get(v, i) : v;
        ok = is_token_id(id);
        if (ok && !eos_is(&eos, (int32_t)json_integer_value(id)))
            eos.ids[eos.n++] = (int32_t)json_integer_value(id);
    }
    if (!ok)
        config_fail(f, "eos_token_id", "a token id, or a list of one to eight");
    return ok ? eos : fallback;
}

double config_real(ConfigFields *f, const char *name, double fallback)
{
    const json_t *v = config_field(f, name);
    if (!v || json_is_null(v))
        return fallback;
    if (json_is_number(v) && json_number_value(v) > 0)
        return json_number_value(v);
    config_fail(f, name, "a number above 0");
    return fallback;
}

bool config_flag(ConfigFields *f, const char *name, bool fallback)
{
    const json_t *v = config_field(f, name);
    if (!v || json_is_null(v))
        return fallback;
    if (!json_is_boolean(v))
        config_fail(f, name, "true or false");
    return json_is_true(v);
}

/* A field that must have one value; what the file leaves out has the value `fallback`. */
void config_expect_text(ConfigFields *f, const char *name, const char *fallback, const char *expected)
{
    const json_t *v = config_field(f, name);
    const char *found = !v || json_is_null(v) ? fallback : json_string_value(v);
    if (!found || strcmp(found, expected) != 0) {
        char text[64];
        snprintf(text, sizeof text, "\"%s\"%s", expected, v ? "" : " (a missing one means something else)");
        config_fail(f, name, text);
    }
}

void config_expect_flag(ConfigFields *f, const char *name, bool fallback, bool expected)
{
    if (config_flag(f, name, fallback) != expected)
        config_fail(f, name, expected ? "true" : "false");
}

void config_expect_patches(ConfigFields *f, size_t image, size_t patch)
{
    if (patch > image)
        config_fail(f, "patch_size", "at most image_size");
}

void config_expect_multiple(ConfigFields *f, const char *what, size_t a, const char *by, size_t b)
{
    if (f->ok && a % b != 0)
        f->ok = error_set(f->err, "%s: %s %zu is not a multiple of %s %zu", f->what, what, a, by, b);
}

ConfigFields config_fields(const json_t *root, const char *name, Error *err)
{
    char dict[64];
    snprintf(dict, sizeof dict, "%s_dict", name);
    return (ConfigFields){
        .first = json_object_get(root, dict), .second = json_object_get(root, name), .what = name, .err = err, .ok = true};
}

void config_three(ConfigFields *f, const char *name, double least, double out[3])
{
    const json_t *list = config_field(f, name);
    if (!list || json_is_null(list))
        return;
    for (size_t i = 0; i < 3; i++) {
        const json_t *v = json_array_get(list, i);
        if (json_array_size(list) != 3 || !json_is_number(v) || !(json_number_value(v) > least)) {
            config_fail(f, name, least < 0 ? "three numbers" : "three numbers above 0");
            return;
        }
        out[i] = json_number_value(v);
    }
}

static bool file_if_there(json_t **root, const char *folder, const char *name, bool needed,
                          json_t *(*read)(const char *, Error *), Error *err)
{
    char *path = path_join(folder, name);
    bool there = true, ok = needed || path_exists(path, &there, err);
    *root = ok && there ? read(path, err) : NULL;
    free(path);
    return ok && (*root || !there);
}

bool config_file(json_t **root, const char *folder, const char *name, bool needed, Error *err)
{
    return file_if_there(root, folder, name, needed, json_file_read, err);
}

bool config_tokenizer(json_t **root, const char *folder, Error *err)
{
    return file_if_there(root, folder, "tokenizer_config.json", false, json_file_read_reals, err);
}

/* ---- preprocessor_config.json ---- */

/* size or crop_size: a number, a shortest edge, or both edges. */
static void expect_side(ConfigFields *f, const char *name, size_t side)
{
    static const char *const edges[] = {"shortest_edge", "height", "width"};
    const json_t *v = config_field(f, name);
    bool same = !json_is_integer(v) || json_integer_value(v) == (json_int_t)side;
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        const json_t *edge = json_object_get(v, edges[i]);
        same = same && (!json_is_integer(edge) || json_integer_value(edge) == (json_int_t)side);
    }
    if (!same) {
        char expected[48];
        snprintf(expected, sizeof expected, "the encoder's %zu", side);
        config_fail(f, name, expected);
    }
}

void config_pixels(ConfigFields *f, size_t side, double mean[3], double std[3])
{
    config_three(f, "image_mean", -HUGE_VAL, mean);
    config_three(f, "image_std", 0, std);
    config_expect_flag(f, "do_resize", true, true);
    config_expect_flag(f, "do_rescale", true, true);
    config_expect_flag(f, "do_normalize", true, true);
    if (fabs(255 * config_real(f, "rescale_factor", 1 / 255.0) - 1) > 1e-6)
        config_fail(f, "rescale_factor", "1/255");
    if (side == 0)
        return;
    expect_side(f, "size", side);
    if (config_flag(f, "do_center_crop", true))
        expect_side(f, "crop_size", side);
}

void config_filter(ConfigFields *f, ImageInput *p)
{
    static const ImageFilter filters[] = {[1] = IMAGE_LANCZOS, [2] = IMAGE_BILINEAR, [3] = IMAGE_BICUBIC};
    const size_t filter = config_size(f, "resample", 3);
    if (filter > 3)
        config_fail(f, "resample", "1 (Lanczos), 2 (bilinear) or 3 (bicubic)");
    else
        p->filter = filters[filter];
}

bool config_pixels_file(ImageInput *p, const char *folder, Error *err)
{
    json_t *root = NULL;
    if (!config_file(&root, folder, "preprocessor_config.json", false, err))
        return false;
    ConfigFields f = {.first = root, .what = "preprocessor_config", .err = err, .ok = true};
    config_pixels(&f, p->side, p->mean, p->std);
    config_filter(&f, p);
    json_decref(root);
    return f.ok || error_prefix(err, "%s/preprocessor_config.json", folder);
}
