/*
 * vlrm-world-render: clips of the miniature world as H.264 MP4, with their truth beside them.
 *
 * It draws no training pairs: frames come back out of the clips through vlrm-extract, as anyone's would.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/options/options.h"
#include "base/pool.h"
#include "base/progress.h"
#include "base/sandbox.h"
#include "base/signals.h"
#include "world/clip.h"

enum { BLOCK = 256 }; /* clips planned at once */

static int64_t seed, clips, first, side, rate, quality, threads;
static Split split;
static bool distinct;
static const char *folder;
static Sandbox sandbox;

static const Option options[] = {
    OPT_GROUP("What is drawn"),
    OPT_INT("seed", 0, &seed, "1", 0, 1e15, "N",
            "seed everything that is drawn; each seed has train, validation and test scenes of its own.", .first = true),
    OPT_ENUM(
        "split", 0, &split, "train", SPLIT_CHOICES,
        "choose the scenes: no content of one split stands in another, whatever the seed; other: test contents in a world drawn unlike."),
    OPT_INT("clips", 'n', &clips, "10", 1, 1e6, "N", "render N clips, of 3 to 6 shots each.", .first = true),
    OPT_INT("first", 0, &first, "0", 0, 999999, "N", "begin with clip number N."),
    OPT_FLAG(
        "distinct", 0, &distinct,
        "draw no two scenes with the same content, counted from clip 0: for recall, which takes one image for right and its twin for wrong."),
    OPT_GROUP("How"),
    OPT_STRING("out", 'o', &folder, NULL, "DIR", "write the clips and their truth to this folder, made when missing. Required.",
               .first = true),
    OPT_INT("size", 0, &side, "128", 16, 2048, "PX", "render frames of this side; even.", .first = true),
    OPT_INT("rate", 0, &rate, "8", 1, 60, "FPS", "render so many frames per second."),
    OPT_INT("quality", 0, &quality, "20", 0, 51, "CRF", "set the constant rate factor of x264: less is better."),
    OPT_INT("threads", 0, &threads, "0", 0, 1024, "N",
            "use N threads; 0 for as many as the process may use. No byte depends on it."),
    SANDBOX_OPTION(sandbox),
    OPT_END,
};

static const Program program = {
    .name = "vlrm-world-render",
    .summary = "draw clips of the miniature world, with the truth beside them",
    .operands = "",
    .description =
        "Draws clips of coloured shapes on backgrounds and encodes them as H.264 MP4: 3 to 6 shots with hard cuts, each begun by "
        "a keyframe, with moving objects and camera. Beside CLIP.mp4 stands CLIP.jsonl: one line for each shot with its time, "
        "its scene, and short and long captions that are true.\n\n"
        "The bytes depend on the options alone.",
    .examples = "vlrm-world-render --seed 7 --split test --clips 2 --out clips",
    .options = options,
};

/* What the threads share. */
typedef struct Work {
    Clip *plans; /* [BLOCK] */
    atomic_int done, failed;
    pthread_mutex_t speaking;
} Work;

static void clip_work(void *context, size_t part)
{
    Work *work = context;
    if (interrupted() || work->failed)
        return;
    Error err = {0};
    const ClipFormat format = {(int)side, (int)rate, (int)quality};
    bool ok = clip_render(folder, &work->plans[part], &format, &err);
    pthread_mutex_lock(&work->speaking);
    if (ok) {
        progress_wrote();
        progress_reached(++work->done);
        progress_show();
    } else if (!work->failed++) {
        warn("%s", err.text);
    }
    pthread_mutex_unlock(&work->speaking);
}

/* Clips are planned in the order of their numbers, since what came before says what may still come, and drawn in any. */
static void draw(Work *work)
{
    HashMap contents = {0}, *seen = distinct ? &contents : NULL;
    const uint64_t end = (uint64_t)(first + clips);
    for (uint64_t i = 0; distinct && i < (uint64_t)first; i++)
        clip_plan((uint64_t)seed, split, i, (int)rate, seen);
    work->plans = xcalloc(BLOCK, sizeof *work->plans);
    for (uint64_t from = (uint64_t)first; from < end && !interrupted() && !work->failed; from += BLOCK) {
        const size_t n = end - from < BLOCK ? (size_t)(end - from) : BLOCK;
        for (size_t i = 0; i < n; i++)
            work->plans[i] = clip_plan((uint64_t)seed, split, from + i, (int)rate, seen);
        pool_run(clip_work, work, n);
    }
    free(work->plans);
    hashmap_release(&contents);
}

int main(int argc, char **argv)
{
    int n_operands;
    Error err = {0};
    options_parse(&program, argc, argv, &n_operands);
    if (n_operands > 0)
        usage_error("no operands expected: clips go into --out DIR");
    if (!folder)
        usage_error("--out DIR is required");
    if (side % 2)
        usage_error("--size %lld: H.264 needs an even size", (long long)side);
    signals_init();
    sandbox_enclose(sandbox, &(SandboxFiles){.write = &folder, .n_write = 1});
    if (!folder_make(folder, &err))
        die("%s", err.text);
    pool_init((int)threads);
    Work work = {.speaking = PTHREAD_MUTEX_INITIALIZER};
    progress_begin("clips");
    progress_goal((double)clips, 0);
    draw(&work);
    progress_hide();
    if (work.failed)
        return STATUS_FAILURE;
    if (interrupted()) {
        warn("interrupted: %d of %lld clips are written", (int)work.done, (long long)clips);
        return STATUS_INTERRUPTED;
    }
    note("%d clips of seed %lld, %s, in %s", (int)work.done, (long long)seed, split_name(split), folder);
    return STATUS_CLEAN;
}
