# The published models' true shapes, without their values: what is trained has the paper's counts.

setup() {
    load ../programs/common
    TMP=$BATS_TEST_TMPDIR
}

@test "on the true shapes the parts have the paper's counts, in less than 4 GB" {
    vlrm-weights random --shape blip2-opt-2.7b --zero --dtype bf16 --out "$TMP/zero"
    [ "$(stat -c %s "$TMP/zero/model.safetensors")" -gt 7000000000 ]
    [ "$(du -sk "$TMP/zero" | cut -f 1)" -lt 1000 ]
    [ "$(awk '/MemAvailable/ {print $2}' /proc/meminfo)" -gt 5000000 ] || skip "not 5 GB of memory free: counts on the true shapes were not tested"
    exits 0 prlimit --data=4000000000 -- vlrm-update --count --threads 2 --model "$TMP/zero"
    says "query: 24576 parameters"
    says "policy: 107130880 parameters"
    says "value-head: 275351041 parameters"
    says "value-lora: 5898240 parameters"
}
