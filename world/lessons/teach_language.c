/* A language model on the world's true captions, long and short, without an image: what it knows is how they are written. */
#include <string.h>

#include "models/language.h"
#include "text/tokenizer.h"
#include "world/lessons/teach.h"

typedef struct Class {
    const TeachOptions *options;
    LanguageModel *model;
    Tokenizer *tokenizer;
    Lesson lesson;
} Class;

/* A caption of a scene of its own, its eos last: half of them say all, the others anything from a bare object up. */
static LmSequence draw_caption(Class *c, uint64_t number, Arena *arena)
{
    char text[CAPTION_MAX];
    const Scene s = scene_draw(c->options->seed, SPLIT_TRAIN, number, NULL);
    Dice d = dice_make(c->options->seed, (uint32_t)number, 5);
    Plan plan = dice_chance(&d, 0.5) ? plan_long : plan_range(&d);
    caption_write(text, &s, &plan, &d);
    const Tokens tokens = lesson_tokens(c->tokenizer, text, ENCODE_LITERAL, 0, arena);
    int32_t *ids = arena_alloc(arena, (tokens.count + 1) * sizeof *ids);
    memcpy(ids, tokens.ids, tokens.count * sizeof *ids);
    ids[tokens.count] = c->model->lm.config.eos.ids[0];
    return (LmSequence){.tokens = ids, .n = tokens.count + 1};
}

static void language_step(Class *c, Arena *arena)
{
    const size_t n = (size_t)c->options->batch;
    LmSequence *captions = arena_alloc(arena, n * sizeof *captions);
    for (size_t i = 0; i < n; i++)
        captions[i] = draw_caption(c, (uint64_t)c->lesson.step * n + i, arena);
    lesson_learn(&c->lesson, lesson_captions(&c->lesson, &c->model->lm, NULL, captions, n, 1));
    arena_reset(arena);
}

static void teach_class(Class *c, bool anew)
{
    Arena arena = {0};
    lesson_teach(&c->lesson, "", anew);
    while (lesson_step(&c->lesson))
        language_step(c, &arena);
    arena_release(&arena);
}

bool teach_language(const TeachOptions *o, const Kernels *kernels, Error *err)
{
    Class c = {.options = o, .model = language_model_open(o->model, kernels, err)};
    c.tokenizer = c.model ? tokenizer_open_language(o->model, err) : NULL;
    bool ok = c.tokenizer != NULL;
    if (ok) {
        lesson_begin(&c.lesson, &(LessonOptions){"language", o->steps, o->rate, 0.02, o->seed}, &c.model->binder);
        teach_class(&c, !o->go_on);
        ok = lesson_save(&c.lesson, o->model, err);
        lesson_release(&c.lesson);
    }
    tokenizer_free(c.tokenizer);
    language_model_free(c.model);
    return ok;
}
