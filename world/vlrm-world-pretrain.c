/*
 * vlrm-world-pretrain: teaches the miniature's models, one lesson a run, from keyframes of the world's clips and their truth.
 */
#include <stdlib.h>
#include <string.h>

#include "base/options/options.h"
#include "base/pool.h"
#include "base/sandbox.h"
#include "base/signals.h"
#include "checkpoint/hub.h"
#include "stage/frame.h"
#include "stream/filter.h"
#include "world/lessons/teach.h"

static const char *truth, *lesson_name;
static int64_t threads, size;
static int64_t seed;
static TeachOptions teach;
static Sandbox sandbox;

static const Option options[] = {
    OPT_STRING("truth", 't', &truth, NULL, "DIR", "read the clips' truth from this folder (*.jsonl)", .first = true),
    OPT_STRING(
        "lesson", 'l', &lesson_name, NULL, "NAME",
        "write tokenizers to the folder --model (words), or teach the model there (see, caption, match, contrast; language: without "
        "frames). Required",
        .first = true),
    OPT_STRING("model", 'm', &teach.model, NULL, "DIR", "replace the weights of the model in this folder. Required",
               .first = true),
    OPT_STRING("from", 'f', &teach.from, NULL, "MODEL", "start from the encoder and Q-Former of this captioner (match)"),
    OPT_INT("steps", 'n', &teach.steps, "1000", 1, 10000000, "N", "take N steps of the optimizer", .first = true),
    OPT_INT("batch", 'b', &teach.batch, "48", 1, 4096, "N", "take N images a step"),
    OPT_REAL("learning-rate", 'r', &teach.rate, "1e-3", 0, 1, "X", "let it rise to its peak and fall again, in one cycle"),
    OPT_REAL("detailed", 0, &teach.detailed, "1", 0, 1, "SHARE",
             "teach this share of captions that tell all or much; the others are short, as the web writes them (caption)"),
    OPT_REAL("attribute", 0, &teach.attribute, "0.2", 0, 1, "CHANCE",
             "set the chance that a short caption says its one object's colour, size or fill, each (caption)"),
    OPT_REAL("opening", 0, &teach.opening, "0.12", 0, 1, "CHANCE",
             "set the chance that a caption begins with words that mean nothing, as \"a photo of\" (caption)"),
    OPT_FLAG("neat", 0, &teach.neat,
             "teach detailed captions without such words, made-up years or talk, and \"on the left\" (caption)"),
    OPT_REAL("ground", 0, &teach.ground, "0.04", 0, 1, "CHANCE",
             "set the chance that a short caption says the background (caption)"),
    OPT_FLAG("go-on", 0, &teach.go_on, "continue from the weights that the model has (caption, match, language)"),
    OPT_INT("size", 0, &size, "48", 8, 1024, "PX", "give the models images of this side", .first = true),
    OPT_INT("seed", 0, &seed, "7", 0, 0, "N", "seed every draw"),
    OPT_INT("threads", 0, &threads, "0", 0, 1024, "N", "use N threads; 0 for as many as there are processors"),
    SANDBOX_OPTION(sandbox),
    OPT_END,
};

static const Program program = {
    .name = "vlrm-world-pretrain",
    .summary = "teach the models of the miniature world",
    .operands = "[file|-]...",
    .input = "frame",
    .output = NULL,
    .description =
        "Takes keyframes of the world's clips (vlrm-world-render, vlrm-extract) and teaches one lesson to the model in a folder, "
        "which vlrm-weights random has made. The recipe world/pretrain runs all lessons in order.",
    .examples = "vlrm-world-pretrain --lesson words --model words",
    .options = options,
};

static Teach *lesson_find(const char *name)
{
    static const struct {
        const char *name;
        Teach *teach;
    } lessons[] = {{"see", teach_see}, {"caption", teach_caption}, {"match", teach_match}, {"contrast", teach_contrast}};
    for (size_t i = 0; i < sizeof lessons / sizeof lessons[0]; i++)
        if (strcmp(lessons[i].name, name) == 0)
            return lessons[i].teach;
    usage_error("--lesson: '%s' is not one of words, see, caption, match, contrast, language", name);
}

/* How the model takes its images: a captioner as its folder says, all others to the square. */
static Preprocess images_of(const char *model, const Kernels *kernels)
{
    Error other = {0};
    Captioner *c = captioner_layout(model, kernels, &other);
    Preprocess p = c ? captioner_preprocess(c, false) : image_preprocess(&(ImageInput){0});
    captioner_free(c);
    p.size = (int)size;
    return p;
}

static int run_lesson(Teach *run, char **operands, int n)
{
    Error err = {0};
    Filter f;
    Gallery g;
    const Kernels *kernels = kernels_cpu(COMPUTE_F32);
    const Preprocess images = images_of(teach.model, kernels);
    filter_init(&f, &program, operands, n, -1, "frames");
    if (!gallery_read(&g, &f, truth, &images, &err))
        die_status(err.status, "%s", err.text);
    int status = filter_finish(&f);
    if (status == STATUS_CLEAN && g.n == 0)
        status = STATUS_EMPTY;
    note("%zu frames", g.n);
    if (status == STATUS_CLEAN && !run(&g, &teach, kernels, &err))
        die_status(err.status, "%s", err.text);
    gallery_release(&g);
    return status;
}

int main(int argc, char **argv)
{
    int n;
    Error err = {0};
    char **operands = options_parse(&program, argc, argv, &n);
    hub_take(&teach.from);
    if (!lesson_name || !teach.model)
        usage_error("--lesson and --model are required");
    teach.seed = (uint64_t)seed;
    sandbox_enclose(sandbox, &(SandboxFiles){.write = &teach.model, .n_write = 1});
    pool_init((int)threads);
    const bool words = strcmp(lesson_name, "words") == 0, language = strcmp(lesson_name, "language") == 0;
    if (words || language) {
        if (!(words ? teach_words(teach.model, teach.seed, &err) : teach_language(&teach, kernels_cpu(COMPUTE_F32), &err)))
            die_status(err.status, "%s", err.text);
        return STATUS_CLEAN;
    }
    Teach *run = lesson_find(lesson_name);
    if (!truth)
        usage_error("--truth is required");
    return run_lesson(run, operands, n);
}
