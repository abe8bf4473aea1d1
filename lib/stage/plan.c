/* Memory that a stage will take; see plan.h. */
#include "stage/plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/pool.h"
#include "stage/frame.h"
#include "stage/tempo.h"
#include "tensor/kernels_idle.h"

enum { STREAMS = 1 << 20 }; /* bytes in which records are read and written */

/* Bytes of this process that no file backs; 0 where the kernel does not say. */
static double private_now(void)
{
    Error none = {0};
    size_t size;
    char *text = file_read("/proc/self/status", &size, &none);
    const char *at = text ? strstr(text, "\nRssAnon:") : NULL;
    double bytes = at ? strtod(at + strlen("\nRssAnon:"), NULL) * 1024 : 0;
    free(text);
    return bytes;
}

void plan_init(Plan *p)
{
    *p = (Plan){json_array(), json_object(), json_object(), 0};
    plan_memory(p, "program", private_now() + STREAMS);
}

void plan_model(Plan *p, const char *option, const Checkpoint *c)
{
    double values = 0, bytes = 0;
    for (size_t i = 0; i < checkpoint_count(c); i++) {
        const StoredTensor *t = checkpoint_get(c, i);
        values += (double)shape_size(&t->shape);
        bytes += (double)t->bytes;
    }
    json_array_append_new(p->models, json_pack("{s:s, s:s, s:I, s:I}", "option", option, "path", checkpoint_path(c), "parameters",
                                               (json_int_t)values, "mapped", (json_int_t)bytes));
}

static void add(json_t *object, const char *name, double value)
{
    double before = (double)json_integer_value(json_object_get(object, name));
    json_object_set_new(object, name, json_integer((json_int_t)(before + value)));
}

void plan_memory(Plan *p, const char *part, double bytes)
{
    add(p->memory, part, bytes);
}

void plan_activations(Plan *p, const Tape *t, const Kernels *kernels)
{
    const double packed = 4 << 20; /* f32 products pack their factors by pieces, those in bf16 the left one whole */
    const bool tiles = strcmp(kernels->name, "amx") == 0;
    const double own = tiles ? 512 << 10 : 256 << 10; /* of weights, by each thread; of the tiles' sums too */
    double factor = (double)idle_largest_factor(), f32 = factor * sizeof(real);
    plan_memory(p, "activations", (double)tape_reached(t));
    plan_memory(p, "scratch", kernels->compute == COMPUTE_BF16 ? 2 * factor : f32 < packed ? f32 : packed);
    plan_memory(p, "scratch", own * pool_threads());
}

void plan_spool(Plan *p, double bytes, double limit)
{
    plan_memory(p, "records", bytes < limit ? bytes : limit);
    plan_number(p, "disk", bytes < limit ? 0 : bytes - limit);
}

void plan_besides(Plan *p, double seconds)
{
    p->besides += seconds;
}

/* The best of some. */
static double best_of(void (*work)(void *), void *context)
{
    double best = INFINITY;
    for (int i = 0; i < 5; i++) {
        const double start = seconds_of_thread();
        work(context);
        best = fmin(best, seconds_of_thread() - start);
    }
    return best;
}

typedef struct Picture {
    Buffer jpeg;   /* owned */
    float *pixels; /* owned */
    const Preprocess *how;
} Picture;

static void picture_read(void *context)
{
    Picture *p = context;
    Image im;
    Error err = {0};
    if (!image_decode(&im, NULL, p->jpeg.data, p->jpeg.size, &err))
        bug("a picture that was made here: %s", err.text);
    preprocess(p->pixels, &im, p->how);
    image_release(&im);
}

double plan_picture(const Preprocess *how)
{
    const size_t side = (size_t)how->size;
    Error err = {0};
    Image im;
    Picture p = {.pixels = xmalloc(3 * side * side * sizeof *p.pixels), .how = how};
    image_init(&im, how->size, how->size);
    for (size_t i = 0; i < 3 * side * side; i++) /* slopes with edges, as pictures have */
        im.rgb[i] = (uint8_t)(3 * (i / 3 % side) + 2 * (i / 3 / side) + 80 * (i % 3));
    const bool made = image_encode_jpeg(&p.jpeg, &im, 90, &err);
    const double seconds = made ? best_of(picture_read, &p) : 0;
    image_release(&im);
    buffer_release(&p.jpeg);
    free(p.pixels);
    return seconds;
}

typedef struct Features {
    Packer packed;
    real *values; /* owned */
    DType dtype;
    size_t rows, cols;
} Features;

static void features_write(void *context)
{
    Features *f = context;
    pack_reset(&f->packed);
    features_pack(&f->packed, "", f->dtype, f->values, f->rows, f->cols);
}

double plan_features(DType dtype, size_t rows, size_t cols)
{
    Features f = {.values = xcalloc(rows * cols, sizeof *f.values), .dtype = dtype, .rows = rows, .cols = cols};
    const double seconds = best_of(features_write, &f);
    pack_release(&f.packed);
    free(f.values);
    return seconds;
}

void plan_seconds(Plan *p, const char *name, const Kernels *kernels, double share)
{
    const double budget = 0.6; /* of seconds: three stages have two */
    double weights = 0;
    size_t i;
    json_t *model;
    json_array_foreach (p->models, i, model)
        weights += (double)json_integer_value(json_object_get(model, "mapped"));
    json_object_set_new(p->more, name, json_real(share * (p->besides + tempo_seconds(kernels, weights, budget))));
    p->besides = 0;
}

void plan_number(Plan *p, const char *name, double value)
{
    add(p->more, name, value);
}

void plan_trained(Plan *p, const char *group, size_t n)
{
    if (!json_object_get(p->more, "trained"))
        json_object_set_new(p->more, "trained", json_object());
    add(json_object_get(p->more, "trained"), group, (double)n);
}

int plan_finish(Plan *p, const Program *program)
{
    const char *part;
    json_t *bytes;
    json_int_t private = 0;
    json_object_foreach (p->memory, part, bytes)
    private += json_integer_value(bytes);
    json_t *all = json_pack("{s:i, s:s, s:s, s:o, s:I, s:o}", "vlrm", 1, "stage", program->name + strlen("vlrm-"), "version",
                            VLRM_VERSION, "models", p->models, "private", private, "memory", p->memory);
    json_object_update(all, p->more);
    json_decref(p->more);
    json_dumpf(all, stdout, JSON_COMPACT | JSON_REAL_PRECISION(4));
    putchar('\n');
    json_decref(all);
    *p = (Plan){0};
    return finish_stdout(STATUS_CLEAN);
}
