/*
 * Seeing: a vision encoder learns to say of each patch what is there. Patches under an object name its shape, colour, size and
 * fill, and whether another object stands left, right, above, below; patches of the background name its colour and texture.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_file.h"

#include "models/captioner.h"
#include "models/families/clip/clip.h"
#include "world/draw.h"
#include "world/lessons/teach.h"

typedef enum Question {
    Q_THING,
    Q_SHAPE,
    Q_COLOUR,
    Q_SIZE,
    Q_FILL,
    Q_LEFT,
    Q_RIGHT,
    Q_ABOVE,
    Q_BELOW,
    Q_GROUND,
    Q_TEXTURE,
    QUESTIONS
} Question;

static const struct {
    const char *name;
    size_t answers;
} questions[QUESTIONS] = {
    [Q_THING] = {"see.thing", 2},
    [Q_SHAPE] = {"see.shape", SHAPES},
    [Q_COLOUR] = {"see.colour", COLOURS},
    [Q_SIZE] = {"see.size", SIZES},
    [Q_FILL] = {"see.fill", FILLS},
    [Q_LEFT] = {"see.left", 2},
    [Q_RIGHT] = {"see.right", 2},
    [Q_ABOVE] = {"see.above", 2},
    [Q_BELOW] = {"see.below", 2},
    [Q_GROUND] = {"see.ground", GROUNDS},
    [Q_TEXTURE] = {"see.texture", TEXTURES},
};

/* The answers of one batch to one question, each at a row of the encoder's output. */
typedef struct Answers {
    RowRef *rows;
    int32_t *answers;
    size_t n;
} Answers;

typedef struct Exam {
    Answers of[QUESTIONS];
} Exam;

static void ask(Exam *e, Question q, size_t row, int answer)
{
    Answers *a = &e->of[q];
    a->rows[a->n] = (RowRef){0, (uint32_t)row};
    a->answers[a->n++] = answer;
}

static bool has_neighbour(const Scene *s, int object, Relation r)
{
    for (int b = 0; b < s->n_objects; b++)
        if (b != object && scene_relation(s, object, r, b))
            return true;
    return false;
}

static void ask_object(Exam *e, const Scene *s, int i, size_t row)
{
    const Object *o = &s->objects[i];
    ask(e, Q_THING, row, 1);
    ask(e, Q_SHAPE, row, o->shape);
    ask(e, Q_COLOUR, row, o->colour);
    ask(e, Q_SIZE, row, o->size);
    ask(e, Q_FILL, row, o->fill);
    ask(e, Q_LEFT, row, has_neighbour(s, i, RIGHT_OF));
    ask(e, Q_RIGHT, row, has_neighbour(s, i, LEFT_OF));
    ask(e, Q_ABOVE, row, has_neighbour(s, i, BELOW));
    ask(e, Q_BELOW, row, has_neighbour(s, i, ABOVE));
}

/* The object under a place of the frame (within `reach` of its radius), or -1. */
static int object_at(const Sight *sight, double x, double y, double reach, double least)
{
    for (int i = 0; i < sight->scene->n_objects; i++) {
        double cx, cy;
        scene_place(sight->scene, &sight->scene->objects[i], sight->moment, &cx, &cy);
        if (hypot(x - cx, y - cy) < fmax(sight->scene->objects[i].radius * reach, least))
            return i;
    }
    return -1;
}

/* Patches that are neither under an object nor far from all are not asked. */
static void ask_sight(Exam *e, const Sight *sight, size_t first_patch, size_t side)
{
    const double patch = 1 / (double)side;
    for (size_t p = 0; p < side * side; p++) {
        double x = ((double)(p % side) + 0.5) * patch, y = ((double)(p / side) + 0.5) * patch;
        size_t row = first_patch + p;
        int object = object_at(sight, x, y, 0.8, 0.55 * patch);
        if (object >= 0) {
            ask_object(e, sight->scene, object, row);
        } else if (object_at(sight, x, y, 1.2, patch) < 0) {
            ask(e, Q_THING, row, 0);
            ask(e, Q_GROUND, row, sight->scene->ground - COLOURS);
            ask(e, Q_TEXTURE, row, sight->scene->texture);
        }
    }
}

static void exam_begin(Exam *e, size_t rows)
{
    for (int q = 0; q < QUESTIONS; q++) {
        e->of[q].rows = xrealloc(e->of[q].rows, rows, sizeof *e->of[q].rows);
        e->of[q].answers = xrealloc(e->of[q].answers, rows, sizeof *e->of[q].answers);
        e->of[q].n = 0;
    }
}

static void exam_release(Exam *e)
{
    for (int q = 0; q < QUESTIONS; q++) {
        free(e->of[q].rows);
        free(e->of[q].answers);
    }
}

/* Mean loss of each question, every 500 steps with -v. */
static void exam_say(const Lesson *l, const double *losses)
{
    if ((l->step + 1) % 500 != 0)
        return;
    for (int q = 0; q < QUESTIONS; q++)
        note("  %s %.4f", questions[q].name, losses[q]);
}

static void see_step(Lesson *l, const Gallery *g, const Vit *vit, Tensor *const *tables, Exam *e, size_t n)
{
    const size_t side = (size_t)g->side, rows = vit_rows(vit);
    size_t *numbers = tape_alloc(l->tape, n * sizeof *numbers);
    float *pixels = xmalloc(n * 3 * side * side * sizeof *pixels);
    Dice d = dice_make(l->options.seed, (uint32_t)l->step, 1);
    gallery_draw(g, numbers, n, &d);
    gallery_pixels(g, pixels, numbers, n);
    const Tensor *x = vit_norm(l->tape, vit, vit_blocks(l->tape, vit, pixels, n));
    free(pixels);
    exam_begin(e, n * rows);
    for (size_t i = 0; i < n; i++)
        ask_sight(e, &g->sights[numbers[i]], (i + 1) * rows - vit->patches, side / vit->config.patch);
    double loss = 0, losses[QUESTIONS];
    for (int q = 0; q < QUESTIONS; q++) {
        const Answers *a = &e->of[q];
        losses[q] = 0;
        if (a->n == 0)
            continue;
        Tensor *asked = op_gather(l->tape, &x, 1, a->rows, a->n);
        losses[q] = lesson_likely(l, op_token_logp(l->tape, asked, tables[q], NULL, a->answers, NULL), 1);
        loss += losses[q];
    }
    exam_say(l, losses);
    lesson_learn(l, loss);
}

static bool see(const Gallery *g, const TeachOptions *o, Binder *binder, const Vit *vit, const char *name, Error *err)
{
    Lesson l;
    Exam exam = {0};
    Tensor *tables[QUESTIONS];
    if (vit->config.image != (size_t)g->side)
        return error_set(err, "%s takes images of %zu pixels, not %d", o->model, vit->config.image, g->side);
    lesson_begin(&l, &(LessonOptions){"see", o->steps, o->rate, 0.02, o->seed}, binder);
    lesson_teach(&l, name, true);
    for (int q = 0; q < QUESTIONS; q++)
        tables[q] = lesson_table(&l, questions[q].name, questions[q].answers, vit->config.hidden);
    while (lesson_step(&l))
        see_step(&l, g, vit, tables, &exam, (size_t)o->batch);
    bool ok = lesson_save(&l, o->model, err);
    exam_release(&exam);
    lesson_release(&l);
    return ok;
}

bool teach_see(const Gallery *g, const TeachOptions *o, const Kernels *kernels, Error *err)
{
    char *config = path_join(o->model, "config.json");
    json_t *json = json_file_read(config, err);
    free(config);
    if (!json)
        return false;
    const char *type = json_string_value(json_object_get(json, "model_type"));
    bool clip = type && strcmp(type, "clip") == 0, ok = false;
    json_decref(json);
    if (clip) {
        Clip *c = clip_open(o->model, kernels, err);
        ok = c && see(g, o, &c->base.binder, &c->vit, "vision_model", err);
        scorer_free(c ? &c->base : NULL);
    } else {
        Captioner *c = captioner_open(o->model, kernels, err);
        ok = c && see(g, o, &c->binder, &c->vit, c->family->vision, err);
        captioner_free(c);
    }
    return ok;
}

/* ---- what the later lessons see ---- */

real *sights_encode(const Gallery *g, const Vit *vit, Tape *t)
{
    enum { AT_ONCE = 64 };
    const size_t values = vit_rows(vit) * vit->config.hidden, side = (size_t)g->side;
    real *all = xmalloc(g->n * values * sizeof *all);
    float *pixels = xmalloc(AT_ONCE * 3 * side * side * sizeof *pixels);
    size_t numbers[AT_ONCE];
    for (size_t first = 0; first < g->n; first += AT_ONCE) {
        size_t n = g->n - first < AT_ONCE ? g->n - first : AT_ONCE;
        for (size_t i = 0; i < n; i++)
            numbers[i] = first + i;
        gallery_pixels(g, pixels, numbers, n);
        const Tensor *x = vit_blocks(t, vit, pixels, n);
        tape_kernels(t)->download(all + first * values, x->data, n * values * sizeof *all);
        tape_reset(t);
    }
    free(pixels);
    return all;
}

Tensor *sights_features(Tape *t, const Vit *vit, const real *all, const size_t *numbers, size_t n)
{
    const size_t values = vit_rows(vit) * vit->config.hidden;
    real *host = xmalloc(n * values * sizeof *host);
    for (size_t i = 0; i < n; i++)
        memcpy(host + i * values, all + numbers[i] * values, values * sizeof *host);
    Tensor *x = tape_input(t, n * vit_rows(vit), vit->config.hidden, host, false);
    free(host);
    return x;
}
