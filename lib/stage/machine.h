/*
 * What a program computes on: the options --device, --compute and --threads, the same in every program that runs models; and
 * --sandbox, for all of them decode pictures and strangers' checkpoints.
 */
#ifndef STAGE_MACHINE_H
#define STAGE_MACHINE_H

#include <string.h>

#include "base/options/options.h"
#include "base/progress.h"
#include "base/sandbox.h"
#include "tensor/kernels.h"

/* Where the options are parsed to. */
typedef struct Machine {
    const char *device;
    Compute compute;
    Sandbox sandbox;
    int64_t threads;
} Machine;

/* The rows of the option table; machine: the Machine itself, not its address. */
/* clang-format off */
#define MACHINE_OPTIONS(machine) \
    OPT_STRING("device", 0, &(machine).device, "cpu", "cpu|cuda[:N]", "compute on this device", .may_change = true), \
    OPT_ENUM("compute", 0, &(machine).compute, "auto", "auto|f32|bf16", "choose how products with weights stored in 16 bits are computed"), \
    OPT_INT("threads", 0, &(machine).threads, "0", 0, 4096, "N", "use N threads; 0: as many as there are processors for it (affinity, SLURM_CPUS_PER_TASK)", .may_change = true), \
    SANDBOX_OPTION((machine).sandbox)
/* clang-format on */

/*
 * The program is about these files alone: it reads any, and writes at none but the n of `write` (NULL ones are skipped). Call
 * it before there are threads. Nothing is forbidden with CUDA, whose driver opens devices and may start helpers.
 */
static inline void machine_enclose(const Machine *m, const char *const *write, size_t n)
{
    progress_device(m->device);
    if (strncmp(m->device, "cuda", 4) != 0)
        sandbox_enclose(m->sandbox, &(SandboxFiles){.write = write, .n_write = n});
}

/* The device's kernels; false with err set where this build or machine has no such device. */
MUST_USE static inline bool machine_kernels(const Machine *m, const Kernels **out, Error *err)
{
    return kernels_find(m->device, m->compute, out, err);
}

/* Records that go through a model together, of an option that is 0 where the user leaves it open: what keeps the device busy. */
static inline int64_t machine_batch(int64_t asked, const Kernels *kernels)
{
    return asked > 0 ? asked : kernels && strcmp(kernels->name, "cuda") == 0 ? 64 : 8;
}

#endif
