/*
 * vlrm-doctor: is this build right on this processor, on this GPU, with these weights?
 *
 * Bundled models go through every kernel table that the machine can run and are held against torch; then the machine is looked
 * at. With --model a checkpoint is looked over instead of neither.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options/options.h"
#include "base/pool.h"
#include "base/sandbox.h"
#include "doctor/families.h"
#include "doctor/golden.h"
#include "doctor/libraries.h"
#include "doctor/machine.h"
#include "doctor/model.h"

enum { TABLES_MAX = 24 };

static struct {
    const char *golden;
    StringList models;
    int64_t threads;
    bool json;
    Sandbox sandbox;
} opt;

static const Option options[] = {
    OPT_LIST("model", 'm', &opt.models, NULL, "DIR", "look over this checkpoint too: shapes, types, values, tokenizer, digest"),
    OPT_STRING("golden", 0, &opt.golden, NULL, "DIR",
               "check these models, which have torch's results beside them (default: those installed)"),
    OPT_INT("threads", 0, &opt.threads, "0", 0, 4096, "N", "use N threads; 0: as many as there are processors"),
    OPT_FLAG("json", 0, &opt.json, "print one JSON object instead of lines (formats/report.md)"),
    SANDBOX_OPTION(opt.sandbox),
    OPT_END,
};

static const Program program = {
    .name = "vlrm-doctor",
    .summary = "check that this build is right on this machine, with these weights",
    .operands = "",
    .description =
        "Sends small bundled models (BLIP-2, ITM, CLIP, LLaVA, SmolVLM, InstructBLIP, SigLIP, BLIP's ITM, LLaMa) through every set of kernels that this machine can run (plain C, AVX2, AVX-512, "
        "AVX512-BF16, AMX, CUDA where built and there) and compares each part with what torch computed in float64: the largest error, relative to "
        "the largest value, beside its bound, and layer by layer. Parts come in the order in which one feeds the next: the first that fails is where to "
        "look, and is called after the first of its layers that is wrong.\n\n"
        "Then the versions of libraries, against those built with, and MPI's; threads, free memory, how fast products read it against the expected (the best that plain reads get here, by any number of threads), open files and room for temporary files. The exit status is 7 when a check fails.",
    .examples = "vlrm-doctor\nvlrm-doctor --model blip2 --model clip --json",
    .options = options,
};

static void check_table(Checks *c, const char *folder, const Kernels *kernels)
{
    const bool bf16 = kernels->compute == COMPUTE_BF16;
    golden_check(c, folder, kernels, bf16);
    families_check(c, folder, kernels, bf16);
}

static void check_kernels(Checks *c)
{
    const Kernels *tables[TABLES_MAX], *cuda;
    char *installed = share_path("doctor");
    const char *folder = opt.golden ? opt.golden : installed;
    size_t n = kernels_cpu_all(tables, TABLES_MAX);
    for (size_t i = 0; i < n; i++)
        check_table(c, folder, tables[i]);
    Error none = {0};
    if (kernels_cuda(0, COMPUTE_F32, &cuda, &none))
        check_table(c, folder, cuda);
    else
        check_add(c, "cuda", true, NAN, NAN, "not checked: %s", none.text);
    free(installed);
}

/* The first check that failed, or NULL. */
static const char *first_failed(const Checks *c)
{
    json_t *check;
    size_t i;
    json_array_foreach (c->list, i, check)
        if (!json_is_true(json_object_get(check, "ok")))
            return json_string_value(json_object_get(check, "check"));
    return NULL;
}

int main(int argc, char **argv)
{
    int n;
    Checks checks;
    options_parse(&program, argc, argv, &n);
    if (n > 0)
        usage_error("no operands: a checkpoint is given by --model DIR");
    const char *temporary = getenv("TMPDIR");
    sandbox_enclose(opt.sandbox, &(SandboxFiles){.read = NULL});
    pool_init((int)opt.threads);
    checks_init(&checks, !opt.json);
    check_kernels(&checks);
    libraries_check(&checks);
    machine_check(&checks, temporary && *temporary ? temporary : "/tmp");
    for (size_t i = 0; i < opt.models.count; i++)
        model_check(&checks, opt.models.items[i], kernels_cpu(COMPUTE_F32));
    const char *failed = first_failed(&checks);
    if (opt.json) {
        json_t *all = json_pack("{s:i, s:s, s:s, s:I, s:s?, s:O}", "vlrm", 1, "stage", "doctor", "version", VLRM_VERSION,
                                "failed", (json_int_t)checks.failed, "first_failed", failed, "checks", checks.list);
        json_dumpf(all, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
        putchar('\n');
        json_decref(all);
    } else
        printf("%zu checks, %zu failed\n", json_array_size(checks.list), checks.failed);
    if (failed)
        warn("%zu of %zu checks failed, the first is %s", checks.failed, json_array_size(checks.list), failed);
    int status = failed ? STATUS_CHECK : STATUS_CLEAN;
    checks_release(&checks);
    return finish_stdout(status);
}
