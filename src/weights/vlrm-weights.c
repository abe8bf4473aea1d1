/*
 * vlrm-weights: looks at checkpoints, compares, converts, merges and makes them.
 *
 * Reads what the models read (safetensors, one file or an index; published .pt deltas) and writes one safetensors file, tensor by
 * tensor, so that no checkpoint is ever whole in memory.
 */
#include <string.h>

#include "base/options/options.h"
#include "base/pool.h"
#include "base/sandbox.h"
#include "checkpoint/hub.h"
#include "weights/weights.h"

static const char *out, *base, *delta, *policy, *tokenizer;
static bool delta_only, zero;
static int dtype, shape;
static double tolerance;
static int64_t seed, threads;
static Sandbox sandbox;

static const char *const dtypes[] = {NULL, "F32", "F16", "BF16"};

static const Option options[] = {
    OPT_GROUP("Output"),
    OPT_STRING("out", 'o', &out, NULL, "PATH", "write to this file (convert) or folder (merge, random)", .first = true),
    OPT_ENUM("dtype", 'd', &dtype, "same", "same|f32|f16|bf16",
             "write values of this type; integers stay as they are; random: same is f32", .first = true),
    OPT_GROUP("compare"),
    OPT_REAL("tolerance", 't', &tolerance, "0", 0, 1e9, "X", "allow this difference in a tensor, relative to its largest value",
             .first = true),
    OPT_GROUP("merge"),
    OPT_STRING("base", 0, &base, NULL, "MODEL", "start from this model folder", .first = true),
    OPT_STRING("delta", 0, &delta, NULL, "FILE", "replace its own tensors by these: safetensors, or a .pt state dict"),
    OPT_GROUP("export (and --base)"),
    OPT_STRING("policy", 0, &policy, NULL, "DIR", "export this policy: RUN/policy/step-NNNNNN, or RUN/policy/latest",
               .first = true),
    OPT_FLAG("delta-only", 0, &delta_only, "write what was trained alone; --base is not needed"),
    OPT_GROUP("random"),
    OPT_ENUM("shape", 0, &shape, "blip2-tiny", weights_shapes, "make this kind of model"),
    OPT_INT("seed", 0, &seed, "1", 0, 0, "N",
            "draw from this seed: equal seeds give equal tensors; a captioner and a scorer of one seed share their encoder"),
    OPT_FLAG("zero", 0, &zero, "write zeros, in a file that takes no room on disk: shapes without values"),
    OPT_STRING("tokenizer", 0, &tokenizer, NULL, "DIR", "copy this folder's tokenizer, and size the vocabulary by it"),
    OPT_GROUP("General"),
    OPT_INT("threads", 0, &threads, "0", 0, 1024, "N", "use N threads; 0 for one per processor"),
    SANDBOX_OPTION(sandbox),
    OPT_END,
};

static const Program program = {
    .name = "vlrm-weights",
    .summary = "look at, compare, convert, merge and make model weights",
    .operands = "list|digest|compare|convert|merge|export|random [PATH]...",
    .description =
        "list PATH: a line for each tensor: name, type, shape, bytes, separated by tabs.\n\n"
        "digest PATH [PREFIX]...: 16 hexadecimal digits over the tensors (whose names begin with a PREFIX): of tensors, not of "
        "files, so that shards and one file of the same tensors agree.\n\n"
        "compare A B: a line for each tensor that differs, and exit status 7; silent and 0 when equal within --tolerance.\n\n"
        "convert PATH --out FILE: all tensors into one safetensors file, as --dtype.\n\n"
        "merge --base DIR --delta FILE --out DIR: a whole model folder with the delta's tensors in place of its own, such as the "
        "published VLRM deltas over BLIP-2. As with load_state_dict(strict=False) the delta may be a whole state dict: what the "
        "base has not (a tied lm_head, buffers, a value head) is skipped, with a message.\n\n"
        "export --base DIR --policy STEP --out DIR: a policy that vlrm-update published, as a whole model folder that Hugging "
        "Face's from_pretrained loads; its adapters, if it has any, are merged into the weights. With --delta-only what was "
        "trained alone.\n\n"
        "random --shape NAME --out DIR: random weights in Hugging Face's layout with config.json, for tests and for measuring "
        "speed and memory at true sizes.\n\n"
        "PATH is a .safetensors file, an index, a .pt or .bin state dict, a model folder, or ORG/NAME in the Hub's local cache (vlrm(7)).",
    .examples = "vlrm-weights random --shape blip2-tiny --out tiny\n"
                "vlrm-weights list tiny\n"
                "vlrm-weights digest tiny vision_model.\n"
                "vlrm-weights convert tiny --dtype bf16 --out half.safetensors\n"
                "vlrm-weights compare tiny half.safetensors --tolerance 0.004",
    .options = options,
};

_Noreturn void weights_die(const Error *err)
{
    die_status(err->status ? err->status : STATUS_FAILURE, "%s", err->text);
}

Checkpoint *weights_open(const char *path)
{
    Error err = {0};
    char *found = hub_folder(path, &err);
    Checkpoint *c = found ? checkpoint_open(found, &err) : NULL;
    free(found);
    if (!c)
        weights_die(&err);
    return c;
}

/* The command must have from min to max operands. */
static void expect(int n, int min, int max, const char *what)
{
    if (n < min || n > max)
        usage_error("%s", what);
}

static void need(const char *value, const char *name)
{
    if (!value)
        usage_error("--%s is needed", name);
}

/* The shape's name: the shape-th of the choices. A new string. */
static char *shape_name(void)
{
    const char *s = weights_shapes;
    for (int i = 0; i < shape; i++)
        s = strchr(s, '|') + 1;
    return xstrndup(s, strcspn(s, "|"));
}

static int run_random(void)
{
    need(out, "out");
    char *name = shape_name();
    const uint64_t number = (uint64_t)seed;
    int status = weights_random(name, dtype ? dtypes[dtype] : "F32", zero ? NULL : &number, tokenizer, out);
    free(name);
    return status;
}

static int run(const char *command, char **operands, int n)
{
    if (strcmp(command, "list") == 0) {
        expect(n, 1, 1, "list PATH");
        return weights_list(operands[0]);
    }
    if (strcmp(command, "digest") == 0) {
        expect(n, 1, 1000, "digest PATH [PREFIX]...");
        return weights_digest(operands[0], (const char *const *)operands + 1, (size_t)n - 1);
    }
    if (strcmp(command, "compare") == 0) {
        expect(n, 2, 2, "compare A B");
        return weights_compare(operands[0], operands[1], tolerance);
    }
    if (strcmp(command, "convert") == 0) {
        expect(n, 1, 1, "convert PATH --out FILE");
        need(out, "out");
        return weights_convert(operands[0], out, dtypes[dtype]);
    }
    if (strcmp(command, "merge") == 0) {
        expect(n, 0, 0, "merge --base DIR --delta FILE --out DIR");
        need(base, "base");
        need(delta, "delta");
        need(out, "out");
        return weights_merge(base, delta, out, dtypes[dtype]);
    }
    if (strcmp(command, "export") == 0) {
        expect(n, 0, 0, "export --base DIR --policy STEP --out DIR");
        if (!delta_only)
            need(base, "base");
        need(policy, "policy");
        need(out, "out");
        return weights_export(base, policy, out, dtypes[dtype], delta_only);
    }
    if (strcmp(command, "random") == 0) {
        expect(n, 0, 0, "random --shape NAME --out DIR");
        return run_random();
    }
    usage_error("no command \"%s\": list, digest, compare, convert, merge, export or random", command);
}

int main(int argc, char **argv)
{
    int n;
    char **operands = options_parse(&program, argc, argv, &n);
    hub_take(&base);
    hub_take(&tokenizer);
    if (n == 0)
        usage_error("a command is required: list, digest, compare, convert, merge, export or random");
    sandbox_enclose(sandbox, &(SandboxFiles){.write = (const char *const[]){out}, .n_write = out != NULL});
    pool_init((int)threads);
    int status = run(operands[0], operands + 1, n - 1);
    free(operands);
    return finish_stdout(status);
}
