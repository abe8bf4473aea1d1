/*
 * Contrast (Radford et al. 2021): images and captions of the same scene come to the same place, others apart. Each image has a
 * caption of its own and the same with a detail changed, which counts as one more wrong caption for all.
 */
#include <stdlib.h>
#include <string.h>

#include "models/scorer.h"
#include "text/tokenizer.h"
#include "world/lessons/contrast.h"
#include "world/lessons/teach.h"

enum { TEXTS = 2 };

typedef struct Class {
    const Gallery *g;
    const TeachOptions *options;
    Scorer *clip;
    Tokenizer *tokenizer;
    Lesson lesson;
    double right, asked; /* images whose caption came first, since the last line of the log */
} Class;

static ScorerText encode(Class *c, const char *text, Arena *arena)
{
    const Tokens tokens = lesson_tokens(c->tokenizer, text, ENCODE_SPECIAL, c->clip->traits.positions, arena);
    return (ScorerText){tokens.ids, tokens.count};
}

/* Captions 0 .. n-1 are true, n .. 2n-1 the same with a detail changed. */
static void draw_texts(Class *c, ScorerText *out, const size_t *numbers, size_t n, Dice *d, Arena *arena)
{
    char text[CAPTION_MAX], changed[CAPTION_MAX];
    for (size_t i = 0; i < n; i++) {
        const Scene *s = c->g->sights[numbers[i]].scene;
        bool wrong = false;
        while (!wrong) {
            Plan plan = dice_chance(d, 0.5) ? plan_long : plan_range(d);
            caption_write(text, s, &plan, d);
            wrong =
                (dice_chance(d, 0.3) && caption_exchange(changed, s, text, d)) || caption_falsify(changed, s, text, FALSE_ANY, d);
        }
        out[i] = encode(c, text, arena);
        out[n + i] = encode(c, changed, arena);
    }
}

static void say(Class *c)
{
    if ((c->lesson.step + 1) % 200 != 0)
        return;
    note("  more sure of the right caption than of all others together: %.3f", c->right / c->asked);
    c->right = c->asked = 0;
}

static void contrast_step(Class *c, Arena *arena)
{
    Tape *t = c->lesson.tape;
    const size_t n = (size_t)c->options->batch, side = (size_t)c->g->side;
    size_t *numbers = tape_alloc(t, n * sizeof *numbers);
    ScorerText *texts = tape_alloc(t, n * TEXTS * sizeof *texts);
    float *pixels = xmalloc(n * 3 * side * side * sizeof *pixels);
    Dice d = dice_make(c->options->seed, (uint32_t)c->lesson.step, 4);
    gallery_draw(c->g, numbers, n, &d);
    gallery_pixels(c->g, pixels, numbers, n);
    draw_texts(c, texts, numbers, n, &d, arena);
    Tensor *images = scorer_images(t, c->clip, pixels, n);
    free(pixels);
    Parameter *scale = parameters_find(&c->lesson.parameters, "logit_scale");
    double loss = contrast(&c->lesson, images, scorer_texts(t, c->clip, texts, n * TEXTS), &scale->value, &c->right);
    c->asked += (double)n;
    say(c);
    lesson_learn(&c->lesson, loss);
    arena_reset(arena);
}

/* The encoder is kept as it has learnt to see, and goes on learning; all else is new. */
static void teach_class(Class *c)
{
    Arena arena = {0};
    lesson_teach(&c->lesson, "vision_model", false);
    lesson_teach(&c->lesson, "", true);
    while (lesson_step(&c->lesson))
        contrast_step(c, &arena);
    arena_release(&arena);
}

bool teach_contrast(const Gallery *g, const TeachOptions *o, const Kernels *kernels, Error *err)
{
    Class c = {.g = g, .options = o, .clip = scorer_open(o->model, kernels, err)};
    c.tokenizer = c.clip ? tokenizer_open(o->model, err) : NULL;
    bool ok = c.tokenizer != NULL;
    if (ok) {
        lesson_begin(&c.lesson, &(LessonOptions){"contrast", o->steps, o->rate, 0.02, o->seed}, &c.clip->binder);
        teach_class(&c);
        ok = lesson_save(&c.lesson, o->model, err);
        lesson_release(&c.lesson);
    }
    tokenizer_free(c.tokenizer);
    scorer_free(c.clip);
    return ok;
}
