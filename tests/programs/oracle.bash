# shellcheck shell=bash disable=SC2034 # TMP is for the tests
# The committed results of the torch reference (tests/golden/oracle), as streams. Load after common.

oracle_setup() {
    load ../programs/common
    ORACLE=$ROOT/tests/golden/oracle/tiny
    cd "$ORACLE/f64" || return
    TMP=$BATS_TEST_TMPDIR
    export VLRM_THREADS=1
}

# captions: a stream of the reference's captions, images by path.
captions() {
    vlrm-cat --from=json captions.jsonl
}

# rewarded [FIELD]: the same with the reference's rewards; FIELD: returns or returns_rs.
rewarded() {
    jq -c -n --arg field "${1:-returns}" --slurpfile r rewards.jsonl '
        ($r | map({(.id): .reward}) | add) as $by | inputs | . + {reward: ($by[.id] | . + {returns: .[$field], parts: {itm, phi}})}' \
        captions.jsonl | vlrm-cat --from=json
}

# near TOLERANCE: reads pairs "found expected" of numbers; fails when one differs by more, or when there are none.
near() {
    awk -v t="$1" '{ d = $1 - $2; if (d < 0) d = -d; s = $2 < 0 ? -$2 : $2; n++; if (!(d <= t * (1 + s))) { print "found " $1 ", expected " $2; bad = 1 } }
        END { exit bad || n == 0 }'
}
