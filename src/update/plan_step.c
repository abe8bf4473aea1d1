/* Memory of a step; see plan_step.h. The very step is taken, over kernels that compute nothing, on captions made up. */
#include "update/plan_step.h"

#include <stdlib.h>

#include "base/clock.h"
#include "tensor/kernels_idle.h"
#include "update/optimizer.h"
#include "update/plan.h"

/* Captions of a step that are enough to see the largest micro-batch. */
enum { CAPTIONS_SEEN = 256 };

/* The largest that a picture can have. */
static TileGrid grid_of(const Learner *l)
{
    const uint32_t across = (uint32_t)l->captioner->images.across;
    return (TileGrid){across, across};
}

/* n captions, whose features are all the same blob of the spool. */
static bool captions_make(Batch *b, const Learner *l, size_t n, size_t n_tokens, Error *err)
{
    size_t values = tile_grid_images(grid_of(l)) * vit_rows(&l->captioner->vit) * l->captioner->vit.config.hidden;
    real *features = xcalloc(values, sizeof *features);
    int32_t *tokens = xcalloc(n_tokens, sizeof *tokens);
    double *returns = xcalloc(n_tokens, sizeof *returns);
    bool ok = spool_add(&b->features, features, values * sizeof *features, err);
    for (size_t i = 0; i < n && ok; i++) {
        for (size_t k = 0; k < n_tokens; k++)
            returns[k] = (double)((i + k) % 7);
        batch_append(b, &(Episode){.n = n_tokens, .image = i + 1, .grid = grid_of(l)}, tokens, returns, NULL);
        b->feature_blob[i] = 1;
    }
    b->own_end = n;
    free(features);
    free(tokens);
    free(returns);
    return ok;
}

/* Trained encoders need images: by shapes, as micro-batches are cut. */
static double bytes_by_shape(const Learner *l, size_t n, size_t n_tokens)
{
    double all = (double)n * (double)plan_bytes(l, grid_of(l), n_tokens, false, false);
    return all < (double)l->memory ? all : (double)l->memory;
}

/* What micro-batches are cut by. */
static void plan_cut(Plan *p, const Learner *l, size_t n, size_t n_tokens)
{
    plan_number(p, "activations allowed", (double)l->memory);
    plan_number(p, "activations of all", (double)n * (double)plan_bytes(l, grid_of(l), n_tokens, false, false));
    plan_number(p, "activations of one", (double)plan_bytes(l, grid_of(l), n_tokens, false, true));
}

bool plan_step(Learner *l, Plan *p, const Kernels *kernels, size_t n, size_t n_tokens, Error *err)
{
    Batch batch;
    Arena arena = {0};
    StepReport report = {0};
    plan_cut(p, l, n, n_tokens);
    if (l->train_vision) {
        plan_memory(p, "activations", bytes_by_shape(l, n, n_tokens));
        return true;
    }
    batch_init(&batch, "/tmp", SIZE_MAX);
    const size_t seen = size_min(n, CAPTIONS_SEEN);
    bool ok = captions_make(&batch, l, seen, n_tokens, err);
    if (ok) {
        idle_weigh((double)n / (double)seen);
        const double start = seconds_of_thread();
        learner_begin(l, &batch, &report, &arena);
        ok = (l->head ? learner_values(l, &batch, &report, err) : true) && learner_policy(l, &batch, &report, err);
        plan_besides(p, (seconds_of_thread() - start) * (double)n / (double)seen);
        plan_activations(p, l->tape, kernels);
        plan_number(p, "captions at once", (double)report.largest_micro);
        idle_weigh(1);
        if (l->head)
            optimizer_value(l, 0, 1);
        optimizer_policy(l, &report, 1);
        plan_seconds(p, "seconds a step", kernels, 1);
    }
    arena_release(&arena);
    batch_release(&batch);
    return ok;
}
