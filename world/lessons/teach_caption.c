/*
 * Captioning: the connector and the language model on the frozen encoder; and the language model on text alone, as it came to the
 * published captioners.
 */
#include <stdlib.h>
#include <string.h>

#include "models/captioner.h"
#include "stage/prompt.h"
#include "text/tokenizer.h"
#include "world/lessons/teach.h"

enum { CAPTIONS = 3, ALONE = 4 }; /* captions of one image in a step; one image in so many gives a text alone */

typedef struct Class {
    const Gallery *g;
    const TeachOptions *options;
    Captioner *captioner;
    Lm alone; /* the captioner's, borrowed, where no image and no prompt is before a text */
    Tokenizer *tokenizer;
    real *features; /* owned: all sights' */
    Lesson lesson;
} Class;

static Plan draw_plan(const TeachOptions *o, Dice *d)
{
    Web web = web_default;
    web.detailed = o->detailed;
    web.attribute = o->attribute;
    web.opening = o->opening;
    web.ground = o->ground;
    web.neat = o->neat || o->detailed >= 1;
    return plan_web(&web, d);
}

/* A caption of the scene as ids, its eos last; behind a prompt it begins with a space. */
static LmSequence draw_caption(Class *c, const Scene *s, Dice *d, Arena *arena)
{
    char text[CAPTION_MAX + 1] = " ";
    Plan plan = draw_plan(c->options, d);
    caption_write(text + 1, s, &plan, d);
    const Tokens tokens = lesson_tokens(c->tokenizer, text + !c->captioner->n_prompt, ENCODE_LITERAL, 0, arena);
    int32_t *ids = arena_alloc(arena, (tokens.count + 1) * sizeof *ids);
    memcpy(ids, tokens.ids, tokens.count * sizeof *ids);
    ids[tokens.count] = c->captioner->eos.ids[0];
    return (LmSequence){.tokens = ids, .n = tokens.count + 1};
}

static void caption_step(Class *c, Arena *arena)
{
    Tape *t = c->lesson.tape;
    const size_t n = (size_t)c->options->batch, queries = c->captioner->n_prefix;
    size_t *numbers = tape_alloc(t, n * sizeof *numbers);
    LmSequence *seen = tape_alloc(t, n * CAPTIONS * sizeof *seen), *alone = tape_alloc(t, n * sizeof *alone);
    size_t n_alone = 0;
    Dice d = dice_make(c->options->seed, (uint32_t)c->lesson.step, 2);
    gallery_draw(c->g, numbers, n, &d);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < CAPTIONS; k++) {
            seen[i * CAPTIONS + k] = draw_caption(c, c->g->sights[numbers[i]].scene, &d, arena);
            seen[i * CAPTIONS + k].prefix = i * queries;
            seen[i * CAPTIONS + k].n_prefix = queries;
        }
        if (i % ALONE == 0)
            alone[n_alone++] = draw_caption(c, c->g->sights[numbers[i]].scene, &d, arena);
    }
    const Tensor *features = sights_features(t, &c->captioner->vit, c->features, numbers, n);
    const Lm *lm = &c->captioner->lm;
    double loss = lesson_captions(&c->lesson, lm, captioner_prefix(t, c->captioner, features, n), seen, n * CAPTIONS, 1);
    lesson_captions(&c->lesson, &c->alone, NULL, alone, n_alone, 0.2);
    lesson_learn(&c->lesson, loss);
    arena_reset(arena);
}

/* What stands between the encoder and captions, whatever the family calls it. */
static void teach_parts(Lesson *l, const Captioner *c, bool anew)
{
    for (const CaptionerPart *part = c->family->parts; part->name; part++)
        lesson_teach(l, part->prefix, anew);
    lesson_teach(l, c->family->language, anew);
    if (binder_find(&c->binder, "lm_head.weight"))
        lesson_teach(l, "lm_head", anew);
}

static void teach_class(Class *c, int32_t bos, bool anew)
{
    Arena arena = {0};
    Tape *t = tape_new(c->captioner->binder.kernels);
    c->features = sights_encode(c->g, &c->captioner->vit, t);
    tape_free(t);
    teach_parts(&c->lesson, c->captioner, anew);
    c->alone = c->captioner->lm;
    c->alone.config.bos = bos;
    while (lesson_step(&c->lesson))
        caption_step(c, &arena);
    free(c->features);
    arena_release(&arena);
}

bool teach_caption(const Gallery *g, const TeachOptions *o, const Kernels *kernels, Error *err)
{
    Class c = {.g = g, .options = o, .captioner = captioner_open(o->model, kernels, err)};
    const int32_t bos = c.captioner ? c.captioner->lm.config.bos : 0; /* a prompt puts its last token there */
    c.tokenizer = c.captioner ? tokenizer_open(o->model, err) : NULL;
    bool ok = c.tokenizer && (!c.captioner->family->prompt || prompt_set(c.captioner, o->model, c.tokenizer, NULL, err));
    if (ok) {
        lesson_begin(&c.lesson, &(LessonOptions){"caption", o->steps, o->rate, 0.02, o->seed}, &c.captioner->binder);
        teach_class(&c, bos, !o->go_on);
        ok = lesson_save(&c.lesson, o->model, err);
        lesson_release(&c.lesson);
    }
    tokenizer_free(c.tokenizer);
    captioner_free(c.captioner);
    return ok;
}
