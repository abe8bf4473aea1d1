/* Rewards that are still to be completed; see deferred.h. */
#include "stage/deferred.h"

#include <math.h>
#include <stdlib.h>

/* Vectors travel as f32, which is what a real is but in the double build. */
static void pack_vector(Packer *p, const char *key, const real *x, size_t n)
{
    float *data = xmalloc((n + 1) * sizeof *data);
    dtype_convert(DTYPE_F32, data, DTYPE_REAL, x, n);
    pack_field_bin(p, key, data, n * sizeof *data);
    free(data);
}

void deferred_pack(Packer *p, const Deferred *d)
{
    pack_key(p, "deferred");
    pack_map_begin(p);
    pack_field_bool(p, "phi", d->phi);
    pack_field_bool(p, "standardise", d->standardise);
    if (d->phi) {
        pack_vector(p, "image", d->image, d->cols);
        pack_vector(p, "text", d->text, d->cols);
    }
    pack_map_end(p);
}

static const real *vector_of(Slice data, Arena *arena)
{
    const size_t n = data.size / sizeof(float);
    real *x = arena_alloc(arena, (n + 1) * sizeof *x);
    dtype_convert_bytes(DTYPE_REAL, x, DTYPE_F32, data.data, n);
    return x;
}

Field deferred_read(Deferred *out, const Record *r, Arena *arena, Error *err)
{
    Slice image, text;
    *out = (Deferred){0};
    if (!record_raw(r, "reward.deferred").data)
        return FIELD_MISSING;
    if (record_bool(r, "reward.deferred.phi", &out->phi) != FIELD_OK ||
        record_bool(r, "reward.deferred.standardise", &out->standardise) != FIELD_OK) {
        error_set(err, "reward.deferred: phi and standardise are not both true or false");
        return FIELD_WRONG;
    }
    if (!out->phi)
        return FIELD_OK;
    if (record_bin(r, "reward.deferred.image", &image) != FIELD_OK || record_bin(r, "reward.deferred.text", &text) != FIELD_OK ||
        image.size != text.size || image.size == 0 || image.size % sizeof(float) != 0) {
        error_set(err, "reward.deferred: image and text are not two vectors of the same length");
        return FIELD_WRONG;
    }
    out->cols = image.size / sizeof(float);
    out->image = vector_of(image, arena);
    out->text = vector_of(text, arena);
    return FIELD_OK;
}

void deferred_complete(Packer *p, const Record *r, double sim, double phi, const double *returns, size_t n)
{
    json_t *reward = slice_json(record_raw(r, "reward")), *all = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(all, json_real(returns[i]));
    json_object_del(reward, "deferred");
    json_object_set_new(reward, "sim", json_real(sim));
    json_object_set_new(reward, "returns", all);
    if (!isnan(phi))
        json_object_set_new(json_object_get(reward, "parts"), "phi", json_real(phi));
    pack_reset(p);
    pack_json(p, reward);
    json_decref(reward);
}
