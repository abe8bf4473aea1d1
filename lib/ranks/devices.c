/* Sums that stay on devices, by NCCL; see ranks.h. Nothing of it blocks: a wait is ranks_wait's, and has an end. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ranks/inside.h"
#include "ranks/nccl.h"

struct Devices {
    Nccl nccl;
    NcclComm *comm; /* NULL until there is one */
    bool (*idle)(void);
};

enum { NAME = 64, PIECE = 1 << 28 }; /* bytes of a device's name; integers of one sum */

/* What a rank has to offer. */
typedef struct Offer {
    char device[NAME], missing[NAME]; /* missing: "" , or why it cannot */
} Offer;

/* ---- the library ---- */

static bool nccl_load(Nccl *n, char *missing)
{
    void *library = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
    const struct {
        const char *name;
        void *to;
    } symbols[] = {{"ncclGetUniqueId", &n->unique_id}, {"ncclCommInitRankConfig", &n->init}, {"ncclCommGetAsyncError", &n->state},
                   {"ncclAllReduce", &n->sum},         {"ncclCommAbort", &n->abort},         {"ncclCommDestroy", &n->destroy},
                   {"ncclGetErrorString", &n->text}};
    snprintf(missing, NAME, "%s", library ? "" : "no libnccl.so.2");
    for (size_t i = 0; library && i < sizeof symbols / sizeof symbols[0]; i++) {
        void *symbol = dlsym(library, symbols[i].name);
        memcpy(symbols[i].to, &symbol, sizeof symbol);
        if (!symbol)
            snprintf(missing, NAME, "libnccl.so.2 has no %s", symbols[i].name);
    }
    return !missing[0];
}

/* What NCCL says of a call; a failure ends all ranks. */
static void check(const Ranks *r, int result, const char *what)
{
    if (result == NCCL_SUCCESS || result == NCCL_IN_PROGRESS)
        return;
    warn("%s: NCCL: %s", what, r->devices->nccl.text(result));
    ranks_abort(r, STATUS_FAILURE);
}

void devices_abort(Devices *d)
{
    if (d && d->comm)
        d->nccl.abort(d->comm);
}

void devices_free(Devices *d)
{
    if (d && d->comm)
        d->nccl.destroy(d->comm);
    free(d);
}

/* ---- who has what ---- */

/* Two ranks on one device, which is worth a word whatever carries their sums; NULL: there are none. The caller frees it. */
static char *sharing(const Ranks *r, const Offer *offers)
{
    for (size_t i = 0; i < r->size; i++)
        for (size_t k = 0; k < i && offers[i].device[0]; k++)
            if (strcmp(r->host[i], r->host[k]) == 0 && strcmp(offers[i].device, offers[k].device) == 0)
                return xasprintf("ranks %zu and %zu share device %s of %s", k, i, offers[i].device, r->host[i]);
    return NULL;
}

/* Why devices cannot sum among themselves, each rank having its own; NULL: they can. The caller frees it. */
static char *objection(const Ranks *r, const Offer *offers)
{
    for (size_t i = 0; i < r->size; i++)
        if (offers[i].missing[0])
            return xasprintf("rank %zu (%s): %s", i, r->host[i], offers[i].missing);
    return NULL;
}

static bool all_have_devices(const Ranks *r, const Offer *offers)
{
    for (size_t i = 0; i < r->size; i++)
        if (!offers[i].device[0])
            return false;
    return true;
}

/* ---- what is under way ---- */

/* Whether NCCL has done what it was last asked for. */
static bool is_settled(void *context)
{
    const Ranks *r = context;
    int state = NCCL_SUCCESS;
    check(r, r->devices->nccl.state(r->devices->comm, &state), "sums on devices");
    check(r, state, "sums on devices");
    return state == NCCL_SUCCESS;
}

static bool is_summed(void *context)
{
    const Ranks *r = context;
    return is_settled(context) && r->devices->idle();
}

static void begin(Ranks *r)
{
    static const char what[] = "devices to meet";
    Devices *d = r->devices;
    NcclId id = {{0}};
    NcclConfig config = {sizeof config, NCCL_CONFIG_MAGIC, NCCL_2_14, 0};
    if (r->rank == 0)
        check(r, d->nccl.unique_id(&id), what);
    ranks_broadcast(r, what, 0, &id, sizeof id);
    check(r, d->nccl.init(&d->comm, (int)r->size, id, (int)r->rank, &config), what);
    ranks_wait(r, is_settled, r, what, NULL);
}

bool ranks_use_devices(Ranks *r, const RanksDevice *device, bool wanted)
{
    Gathered all = {0};
    Offer mine = {"", ""};
    if (ranks_size(r) == 1)
        return false;
    Devices *d = xcalloc(1, sizeof *d);
    d->idle = device->idle;
    snprintf(mine.device, NAME, "%s", device->name);
    if (!wanted)
        snprintf(mine.missing, NAME, "--no-nccl");
    else if (mine.device[0] && !nccl_load(&d->nccl, mine.missing))
        note("%s", mine.missing);
    ranks_gather(r, "what the ranks compute on", &mine, sizeof mine, &all);
    const Offer *offers = (const Offer *)(const void *)all.data;
    const bool devices = all_have_devices(r, offers);
    char *why = sharing(r, offers);
    if (!why && devices)
        why = objection(r, offers);
    if (why && r->rank == 0)
        warn("gradients go from device to device through the hosts' memory, not by NCCL: %s", why);
    if (devices && !why) {
        r->devices = d;
        begin(r);
    } else {
        free(d);
    }
    free(why);
    gathered_release(&all);
    return ranks_sums_devices(r);
}

bool ranks_sums_devices(const Ranks *r)
{
    return r && r->devices;
}

void ranks_sum_device(Ranks *r, const char *what, int64_t *values, size_t n)
{
    Devices *d = r->devices;
    ranks_arrive(r, what);
    for (size_t at = 0; at < n; at += PIECE) {
        const size_t piece = n - at < PIECE ? n - at : PIECE;
        check(r, d->nccl.sum(values + at, values + at, piece, NCCL_INT64, NCCL_SUM, d->comm, NULL), what);
        ranks_wait(r, is_summed, r, what, NULL);
    }
}
