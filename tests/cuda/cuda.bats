# The CUDA build: it compiles and links where nvcc is, computes on the CPU as every build does, and never falls back to it silently.

setup() {
    load ../programs/oracle
    oracle_setup
}

# cuda_build [TARGET...]: build/cuda is up to date; skips the test where there is no nvcc.
cuda_build() {
    local nvcc
    nvcc=$(make -s -C "$ROOT" nvcc-name)
    command -v "$nvcc" > /dev/null || skip "no nvcc ($nvcc): the CUDA build is not tested on this machine"
    make -s -C "$ROOT" VARIANT=cuda WERROR=-Werror "${@:-programs}" > "$TMP/make.log" 2>&1 || {
        tail -n 30 "$TMP/make.log"
        return 1
    }
}

# caption PROGRAM OPTION...: four frames' captions.
caption() {
    local program=$1
    shift
    jq -c '{id, frame}' captions.jsonl | head -n 4 | vlrm-cat --from=json |
        "$program" --model "$ORACLE/blip2" --greedy --max-new-tokens 12 "$@"
}

@test "the CUDA build links and captions on the CPU as the release build does" {
    cuda_build
    caption "$ROOT/build/cuda/bin/vlrm-rollout" --device cpu | vlrm-cat | jq -c 'select(.id) | .caption' > "$TMP/cuda.jsonl"
    caption vlrm-rollout | vlrm-cat | jq -c 'select(.id) | .caption' > "$TMP/release.jsonl"
    [ "$(wc -l < "$TMP/release.jsonl")" -eq 4 ]
    cmp "$TMP/cuda.jsonl" "$TMP/release.jsonl"
}

@test "without a device --device cuda fails and says so" {
    cuda_build
    export CUDA_VISIBLE_DEVICES=''
    exits 1 caption "$ROOT/build/cuda/bin/vlrm-rollout" --device cuda
    says 'device cuda:0: no CUDA device was found'
    exits 1 caption "$ROOT/build/cuda/bin/vlrm-rollout" --device cuda:3
    says 'device cuda:3: no CUDA device was found'
}

@test "a build without CUDA says that it has none" {
    exits 2 caption "$ROOT/bin/vlrm-rollout" --device cuda
    says 'this build has no CUDA'
}

# on_device SUITE: all tests of a program, by the CUDA build on a device; skips the test where there is none.
on_device() {
    cuda_build
    local said
    said=$(VLRM_DEVICE=cuda caption "$ROOT/build/cuda/bin/vlrm-rollout" 2>&1 > /dev/null) || case $said in
    *'no CUDA device was found'*) skip "no CUDA device on this machine" ;;
    esac
    VLRM_DEVICE=cuda BIN=$ROOT/build/cuda/bin KILLS=5 bats --tap "$ROOT"/tests/*/"$1.bats" > "$TMP/tap" 2>&1 || {
        grep -A 10 '^not ok' "$TMP/tap"
        return 1
    }
}

@test "on a device vlrm-rollout passes its tests" {
    on_device vlrm-rollout
}

@test "on a device vlrm-reward passes its tests" {
    on_device vlrm-reward
}

@test "on a device vlrm-eval passes its tests" {
    on_device vlrm-eval
}

@test "on a device vlrm-update passes its tests: the reference's gradients and parameters" {
    on_device vlrm-update
    on_device vlrm-update-on-policy
}

@test "the CUDA table agrees with the plain one" {
    cuda_build build/cuda/tests/ops/test_kernels build/cuda/tests/ops/test_kernels_products build/cuda/tests/ops/test_kernels_integers
    for name in test_kernels test_kernels_products test_kernels_integers; do
        "$ROOT/build/cuda/tests/ops/$name" > "$TMP/$name" 2>&1 || {
            tail -n 30 "$TMP/$name"
            return 1
        }
    done
    if no_device=$(grep -m1 'is not compared' "$TMP/test_kernels"); then skip "$no_device"; fi
}

@test "what is declared of NCCL is what nccl.h has" {
    printf '#include <nccl.h>\n' | gcc -E -I/usr/local/cuda/include - > /dev/null 2>&1 || skip "no nccl.h here"
    cat > "$TMP/nccl.c" << 'C'
#include <nccl.h>
#include <stddef.h>
#include "ranks/nccl.h"
_Static_assert(sizeof(NcclId) == sizeof(ncclUniqueId), "id");
_Static_assert((int)NCCL_SUCCESS == (int)ncclSuccess && (int)NCCL_IN_PROGRESS == (int)ncclInProgress, "results");
_Static_assert((int)NCCL_INT64 == (int)ncclInt64 && (int)NCCL_SUM == (int)ncclSum, "types");
_Static_assert(offsetof(NcclConfig, size) == offsetof(ncclConfig_t, size) && offsetof(NcclConfig, magic) == offsetof(ncclConfig_t, magic), "config");
_Static_assert(offsetof(NcclConfig, version) == offsetof(ncclConfig_t, version) && offsetof(NcclConfig, blocking) == offsetof(ncclConfig_t, blocking), "config");
_Static_assert(sizeof(NcclConfig) <= sizeof(ncclConfig_t), "config");
int main(void)
{
    const ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    ncclResult_t (*unique_id)(ncclUniqueId *) = ncclGetUniqueId;
    ncclResult_t (*init)(ncclComm_t *, int, ncclUniqueId, int, ncclConfig_t *) = ncclCommInitRankConfig;
    ncclResult_t (*state)(ncclComm_t, ncclResult_t *) = ncclCommGetAsyncError;
    ncclResult_t (*sum)(const void *, void *, size_t, ncclDataType_t, ncclRedOp_t, ncclComm_t, cudaStream_t) = ncclAllReduce;
    return !(unique_id && init && state && sum && config.magic == NCCL_CONFIG_MAGIC && config.version >= NCCL_2_14);
}
C
    gcc -std=gnu17 -Wall -Werror -I"$ROOT/lib" -I/usr/local/cuda/include -c -o "$TMP/nccl.o" "$TMP/nccl.c"
}
