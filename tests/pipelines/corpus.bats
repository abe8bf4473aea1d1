#!/usr/bin/env bats
# pipelines/corpus.sh: shards through GNU parallel and as tasks of a Slurm array; whole, resumed, named.
load ../programs/common

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    mkdir 'vi deos'
    local i
    for i in 1 2 3 4 5 6; do
        ffmpeg -v error -f lavfi -i "testsrc2=size=64x48:rate=5:duration=$((i + 1))" -pix_fmt yuv420p -c:v libx264 -preset ultrafast \
            -g 5 "vi deos/{$i}.mp4" </dev/null
    done
}

# The ids of the records of these streams, sorted.
ids() {
    cat "$@" | vlrm-cat --fields id | jq -r '.id // empty' | sort
}

# How many shards are there.
shards() {
    find shards -name '*.vlrm' | wc -l
}

@test "the shards together are the corpus, each whole, named by its number" {
    vlrm-extract 'vi deos' >all.vlrm
    exits 0 "$ROOT/bin/vlrm" corpus --out shards --shards 3 --jobs 2 'vi deos'
    local expected=(shard-0000{0..2}-of-00003.{journal,vlrm})
    [ "$(ls -A shards)" = "$(printf '%s\n' "${expected[@]}")" ]
    [ "$(ids shards/*.vlrm)" = "$(ids all.vlrm)" ]
    [ "$(ids all.vlrm | wc -l)" -gt 20 ]
}

@test "options after -- go to vlrm-extract; what is there is not made again" {
    exits 0 "$ROOT/bin/vlrm" corpus --out shards --shards 2 'vi deos' -- --max 1
    [ "$(ids shards/*.vlrm | wc -l)" = 6 ]
    local before
    before=$(stat -c %i%y shards/*)
    exits 0 "$ROOT/bin/vlrm" corpus --out shards --shards 2 'vi deos' -- --max 1
    [ "$(stat -c %i%y shards/*)" = "$before" ]
}

@test "a Slurm array: each task makes its own shard" {
    local task
    for task in 4 5 6; do
        SLURM_ARRAY_TASK_ID=$task SLURM_ARRAY_TASK_MIN=4 SLURM_ARRAY_TASK_COUNT=3 \
            exits 0 "$ROOT/bin/vlrm" corpus --out shards 'vi deos'
        [ "$(shards)" = $((task - 3)) ]
    done
    [ "$(ids shards/*.vlrm)" = "$(ids <(vlrm-extract 'vi deos'))" ]
}

@test "a damaged source gives 3, its shard is there, and the journal names it" {
    head -c 3000 'vi deos/{4}.mp4' >cut.mp4 && mv cut.mp4 'vi deos/{4}.mp4'
    exits 3 "$ROOT/bin/vlrm" corpus --out shards --shards 3 'vi deos'
    [ "$(shards)" = 3 ]
    cat shards/*.journal | jq -e -s '[.[] | select(.verdict != "complete") | .source] == ["vi deos/{4}.mp4"]'
    # Once more: nothing is done again, and the status tells the same.
    before=$(stat -c %i%y shards/*)
    exits 3 "$ROOT/bin/vlrm" corpus --out shards --shards 3 'vi deos'
    [ "$(stat -c %i%y shards/*)" = "$before" ]
    rm shards/*.journal
    exits 3 "$ROOT/bin/vlrm" corpus --out shards --shards 3 'vi deos'
    says 'no journal shards/shard-00000-of-00003.journal'
}

# bats test_tags=slow
@test "killed with -9 at any moment, the same command completes it: every record, none twice" {
    vlrm-extract 'vi deos' >all.vlrm
    local delay killed=0
    for delay in 0.05 0.1 0.15 0.2 0.3 0.4; do
        rm -rf shards
        "$ROOT/bin/vlrm" corpus --out shards --shards 2 --jobs 2 'vi deos' 3>&- &
        sleep "$delay"
        if kill -9 $! 2>/dev/null; then echo "killed after $delay s"; fi
        wait $! 2>/dev/null || killed=$((killed + 1)) # else it was done already
        # What the killed driver had started ends by itself; until then its shard is refused ("being made by another process").
        eventually 60 "$ROOT/bin/vlrm" corpus --out shards --shards 2 --jobs 2 'vi deos'
        [ "$(ids shards/*.vlrm)" = "$(ids all.vlrm)" ]
        [ "$(ls -A shards)" = "$(printf 'shard-0000%s\n' {0,1}-of-00002.{journal,vlrm})" ] # and nothing else is left
    done
    [ "$killed" -gt 0 ]
}

# at_work RECIPE: whether it extracts by now, or is done.
at_work() {
    pgrep -f "vlrm-extract --shard [01]/2 --journal $PWD/shards/" >/dev/null || ! kill -0 "$1" 2>/dev/null
}

# bats test_tags=slow
@test "SIGTERM gives 75, leaves nothing running, and the same command completes it" {
    vlrm-extract --every 0.2 'vi deos' >all.vlrm
    "$ROOT/bin/vlrm" corpus --out "$PWD/shards" --shards 2 --jobs 2 'vi deos' -- --every 0.2 3>&- &
    local recipe=$!
    eventually 60 at_work "$recipe"
    kill -TERM "$recipe" 2>/dev/null || [ $? = 1 ] # it may have ended by now
    local status=0
    wait "$recipe" || status=$?
    [ "$status" = 75 ] || [ "$status" = 0 ]
    eventually 60 no pgrep -f "vlrm-extract --shard [01]/2 --journal $PWD/shards/" >/dev/null
    eventually 60 "$ROOT/bin/vlrm" corpus --out "$PWD/shards" --shards 2 --jobs 2 'vi deos' -- --every 0.2
    [ "$(ids shards/*.vlrm)" = "$(ids all.vlrm)" ]
}

@test "wrong usage is said before anything is made" {
    exits 2 "$ROOT/bin/vlrm" corpus 'vi deos'
    says '--out DIR says where'
    exits 2 "$ROOT/bin/vlrm" corpus --out shards
    says 'no SOURCE given'
    exits 2 "$ROOT/bin/vlrm" corpus --out shards --shards many 'vi deos'
    exits 2 "$ROOT/bin/vlrm" corpus --out shards --shards 3 --one 3 'vi deos'
    says 'shards count from 0'
    # 08 is no number to bash's arithmetic: it made shard 0 of it
    exits 2 "$ROOT/bin/vlrm" corpus --out shards --shards 9 --one 08 'vi deos'
    says '--one: expected a number, found 08'
    exits 2 "$ROOT/bin/vlrm" corpus --out shards --shards 99999999999999999999 'vi deos'
    SLURM_ARRAY_TASK_ID=x SLURM_ARRAY_TASK_COUNT=3 exits 2 "$ROOT/bin/vlrm" corpus --out shards 'vi deos'
    says 'SLURM_ARRAY_TASK_ID: expected a number, found x'
    [ ! -e shards ]
}

@test "shards inside a source are refused, for they would be sources; in a hidden folder they are not" {
    cd 'vi deos'
    exits 2 "$ROOT/bin/vlrm" corpus --out shards --shards 3 .
    says 'lies in the source .'
    exits 2 "$ROOT/bin/vlrm" corpus --out . --shards 3 "$BATS_TEST_TMPDIR"
    exits 0 "$ROOT/bin/vlrm" corpus --out .shards --shards 3 --jobs 2 .
    vlrm-extract . >../all.vlrm
    [ "$(ids .shards/*.vlrm)" = "$(ids ../all.vlrm)" ]
}

@test "a corpus without a source is status 4" {
    mkdir nothing
    exits 4 "$ROOT/bin/vlrm" corpus --out shards --shards 2 nothing
}

corpus() {
    "$ROOT/bin/vlrm" corpus --out shards --shards 2 --jobs 2 "$@"
}

# bats test_tags=slow
@test "new sources: finished shards are left as they are, status 6 and their names; --redo makes them again" {
    corpus 'vi deos'
    cp 'vi deos/{1}.mp4' 'vi deos/{7}.mp4'
    mv 'vi deos/{2}.mp4' away.mp4
    local before
    before=$(stat -c %i%y shards/*)
    exits 6 corpus 'vi deos'
    says 'was made otherwise: '
    says 'new sources (3): vi deos/{3}.mp4, vi deos/{5}.mp4, vi deos/{7}.mp4' # those that change their shard among them
    says 'sources gone (3): vi deos/{2}.mp4'
    says '--redo makes it again'
    [ "$(stat -c %i%y shards/*)" = "$before" ]
    exits 0 corpus --redo 'vi deos'
    [ "$(ids shards/*.vlrm)" = "$(ids <(vlrm-extract 'vi deos'))" ]
    [ "$(ls -A shards)" = "$(printf 'shard-0000%s\n' {0,1}-of-00002.{journal,vlrm})" ]
    before=$(stat -c %i%y shards/*)
    exits 0 corpus --redo 'vi deos'
    [ "$(stat -c %i%y shards/*)" = "$before" ]
}

# bats test_tags=slow
@test "another file of the same name: status 6 and its name; one that was only touched is the same; members of shards too" {
    tar -cf shard.tar -C 'vi deos' '{5}.mp4' '{6}.mp4'
    tar -czf packed.tgz -C 'vi deos' '{4}.mp4'
    corpus 'vi deos' shard.tar packed.tgz
    touch 'vi deos/{1}.mp4' shard.tar packed.tgz
    local before
    before=$(stat -c %i%y shards/*)
    exits 0 corpus 'vi deos' shard.tar packed.tgz
    [ "$(stat -c %i%y shards/*)" = "$before" ]
    cp 'vi deos/{3}.mp4' 'vi deos/{2}.mp4' # of another length
    printf x | dd of='vi deos/{1}.mp4' conv=notrunc bs=1 seek=2000 status=none # of the same
    mkdir other
    cp 'vi deos/{5}.mp4' other
    head -c "$(stat -c %s 'vi deos/{6}.mp4')" /dev/zero >'other/{6}.mp4'
    tar -cf shard.tar -C other '{5}.mp4' '{6}.mp4'
    exits 6 corpus 'vi deos' shard.tar packed.tgz
    says 'changed sources (1): vi deos/{1}.mp4'
    says 'changed sources (2): vi deos/{2}.mp4, shard.tar/{6}.mp4'
    [ "$(stat -c %i%y shards/*)" = "$before" ]
    exits 3 corpus --redo 'vi deos' shard.tar packed.tgz
    exits 3 corpus 'vi deos' shard.tar packed.tgz
}

# bats test_tags=slow
@test "other options behind --: status 6 and what differs; those of the machine are no others" {
    corpus 'vi deos'
    exits 6 corpus 'vi deos' -- --every 0.2 --max 3
    says '--every is 0.2, was 0'
    says '; --max is 3, was 0'
    VLRM_SIZE=32 exits 6 corpus 'vi deos'
    says '--size is "32", was null'
    exits 0 corpus 'vi deos' -- --jobs 2 --deadline 100 --zstd
    exits 0 corpus --redo 'vi deos' -- --every 0.2
    says 'shard-00000-of-00002 is made again: --every is 0.2, was 0'
    [ "$(ids shards/*.vlrm)" = "$(ids <(vlrm-extract --every 0.2 'vi deos'))" ]
    # What a killed run has left of a shard is of its options too.
    mv shards/shard-00001-of-00002.vlrm shards/.shard-00001-of-00002.writing
    exits 6 corpus 'vi deos' -- --every 0.4
    says 'shard-00001-of-00002 was made otherwise: --every is 0.4, was 0.2'
    exits 0 corpus 'vi deos' -- --every 0.2
    [ "$(ids shards/*.vlrm)" = "$(ids <(vlrm-extract --every 0.2 'vi deos'))" ]
}

# bats test_tags=slow
@test "--retry failed does the failed sources of finished shards again; what is repaired comes in" {
    cp 'vi deos/{4}.mp4' whole.mp4
    head -c 3000 whole.mp4 >'vi deos/{4}.mp4'
    exits 3 corpus 'vi deos'
    exits 3 corpus 'vi deos' -- --retry failed
    [ "$(ls -A shards)" = "$(printf 'shard-0000%s\n' {0,1}-of-00002.{journal,vlrm})" ]
    cp whole.mp4 'vi deos/{4}.mp4'
    exits 3 corpus 'vi deos'
    local before
    before=$(stat -c %i%y shards/shard-00000*)
    exits 0 corpus 'vi deos' -- --retry failed
    [ "$(ids shards/*.vlrm)" = "$(ids <(vlrm-extract 'vi deos'))" ]
    [ "$(stat -c %i%y shards/shard-00000*)" = "$before" ] # its sources were complete
    exits 0 corpus 'vi deos'
}

@test "videos, shards and folders of any name" {
    local nasty=$'it\'s "{}" %s * \\ $(touch pwned);touch pwned\n{1} ' name
    mv 'vi deos/{1}.mp4' "vi deos/$nasty.mp4"
    mv 'vi deos/{2}.mp4' $'vi deos/b\xe9\xff.mp4'
    mv 'vi deos/{3}.mp4' 'vi deos/-x.mp4'
    mv 'vi deos' -- "-$nasty"
    for name in "$nasty" $'b\xe9\xff' '-out' 'a:b'; do
        exits 0 "$ROOT/bin/vlrm" corpus --out "$name" --shards 2 --jobs 2 "./-$nasty"
        [ "$(ids "./$name"/*.vlrm)" = "$(ids <(vlrm-extract "./-$nasty"))" ]
        exits 0 "$ROOT/bin/vlrm" corpus --out "$name" --shards 2 --jobs 2 "./-$nasty"
    done
    [ ! -e pwned ]
}
