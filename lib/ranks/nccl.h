/*
 * What is used of NCCL (https://docs.nvidia.com/deeplearning/nccl), loaded where it is and linked nowhere: so a build needs none
 * of it. Declared as nccl.h has it since version 2.14; tests/programs/cuda.bats compares the two.
 */
#ifndef RANKS_NCCL_H
#define RANKS_NCCL_H

#include <stddef.h>

enum { NCCL_SUCCESS = 0, NCCL_IN_PROGRESS = 7 }; /* ncclResult_t; others are failures */
enum { NCCL_INT64 = 4, NCCL_SUM = 0 };           /* ncclDataType_t, ncclRedOp_t */

typedef struct NcclId {
    char bytes[128];
} NcclId;

/* ncclConfig_t as of 2.14: later versions read `size` of it. */
typedef struct NcclConfig {
    size_t size;
    unsigned magic, version;
    int blocking;
} NcclConfig;

enum { NCCL_2_14 = 21400 };
#define NCCL_CONFIG_MAGIC 0xcafebeefu

typedef struct NcclComm NcclComm;

typedef struct Nccl {
    int (*unique_id)(NcclId *id);
    int (*init)(NcclComm **comm, int size, NcclId id, int rank, NcclConfig *config);
    int (*state)(NcclComm *comm, int *result); /* of what is under way */
    int (*sum)(const void *from, void *to, size_t n, int type, int op, NcclComm *comm, void *stream);
    int (*abort)(NcclComm *comm);
    int (*destroy)(NcclComm *comm);
    const char *(*text)(int result);
} Nccl;

#endif
