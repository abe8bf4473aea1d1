# vlrm score: a reward of somebody's own in Python, or from a judge behind a server: added, recorded, in a pipe that trains; and what fails.

setup() {
    load ../programs/oracle
    oracle_setup
    /usr/bin/python3 -c 'import msgpack, xxhash, zstandard' 2> "$TMP/err" || skip "no python3-msgpack, python3-xxhash, python3-zstandard"
    rewarded | vlrm-cat --to=stream --head 6 > "$TMP/in.vlrm"
    printf 'def reward(record):\n    return len(record["caption"]["text"]) / 4\n' > "$TMP/length.py"
}

teardown() {
    if [ -n "${judging-}" ]; then
        exec {judging}>&-
        wait "$judge"
    fi
}

vlrm() {
    "$ROOT/bin/vlrm" "$@"
}

# judge_start: a server of the test, its address in `url`.
judge_start() {
    mkfifo "$TMP/hold"
    /usr/bin/python3 "$ROOT/tests/pipelines/judge.py" "$TMP/port" "$TMP/asked" < "$TMP/hold" 3>&- &
    judge=$!
    exec {judging}> "$TMP/hold"
    eventually 60 test -s "$TMP/port"
    url=http://127.0.0.1:$(cat "$TMP/port")/v1
}

@test "a Python function is added to every return, by its weight, and recorded; all else goes through" {
    vlrm score "$TMP/length.py" --weight 2 < "$TMP/in.vlrm" > "$TMP/out.vlrm"
    paste <(vlrm-cat "$TMP/in.vlrm" | jq -c 'select(.id)') <(vlrm-cat "$TMP/out.vlrm" | jq -c 'select(.id)') | jq -es '_nwise(2) as [$a, $b] | ($a.caption.text | utf8bytelength / 4) as $r |
        $b.reward.parts.length == $r and ([$b.reward.returns, $a.reward.returns] | transpose | all((.[0] - .[1] - 2 * $r) | fabs < 1e-9))
        and ($b | del(.reward.returns, .reward.parts.length)) == ($a | del(.reward.returns))'
    vlrm-cat "$TMP/out.vlrm" | jq -es '.[0].stage == "score" and .[0].params.weight == 2 and .[0].inputs[0].role == "score" and .[0].upstream.vlrm == 1 and .[-1].end.status == 0'
    [ "$(vlrm-cat --count "$TMP/out.vlrm")" = 6 ]
}

@test "a record for which it fails goes on without rewards and is counted; a stream that is cut is not whole behind it" {
    printf 'def reward(record):\n    return 1 / (record["id"] != "0002")\n' > "$TMP/odd.py"
    exits 3 vlrm score "$TMP/odd.py" < "$TMP/in.vlrm"
    says "vlrm score: record 0002: ZeroDivisionError: division by zero"
    vlrm score "$TMP/odd.py" < "$TMP/in.vlrm" > "$TMP/out.vlrm" 2> "$TMP/err" || [ $? = 3 ]
    vlrm-cat "$TMP/out.vlrm" 2> "$TMP/err" | jq -es 'map(select(.id)) | length == 6 and (map(has("reward")) == [true, true, false, true, true, true])'
    vlrm-cat "$TMP/out.vlrm" 2> "$TMP/err" | jq -es '.[-1].end | .failed == 1 and .status == 3'
    head -c 1500 "$TMP/in.vlrm" > "$TMP/cut.vlrm"
    exits 5 vlrm score "$TMP/length.py" < "$TMP/cut.vlrm"
    exits 1 vlrm score "$TMP/none.py" < "$TMP/in.vlrm"
    says "none.py: No such file"
    echo 'x = 1' > "$TMP/empty.py"
    exits 1 vlrm score "$TMP/empty.py" < "$TMP/in.vlrm"
    says "has no function reward(record)"
    exits 2 vlrm score
}

@test "a judge is asked about each caption, with its picture; the first number of its answer counts" {
    judge_start
    vlrm score "$url" --model mine --prompt 'Rate: {caption}' --image < "$TMP/in.vlrm" > "$TMP/out.vlrm"
    vlrm-cat "$TMP/out.vlrm" | jq -es 'map(select(.id)) | length == 6 and all(.reward.parts.judge == (("Rate: " + .caption.text) | [match("a"; "g")] | length) + 0.5)'
    jq -es 'length == 6 and all(.path == "/v1/chat/completions" and .model == "mine" and .messages[0].content[0].text[:6] == "Rate: "
        and (.messages[0].content[1].image_url.url | startswith("data:image/png;base64,iVBOR")))' "$TMP/asked"
    # What it cannot answer is the record's failure; no server is ours.
    vlrm-cat "$TMP/in.vlrm" | jq -c 'select(.id) | if .id == "0001" then .caption.text = "fail" elif .id == "0003" then .caption.text = "dumb" else . end' | vlrm-cat --from=json > "$TMP/odd.vlrm"
    exits 3 vlrm score "$url" < "$TMP/odd.vlrm"
    says "record 0001: ValueError: the judge answers 500 out of order"
    says "record 0003: ValueError: the judge's answer has no number: 'I do not know.'"
    exits 1 vlrm score http://127.0.0.1:9/v1 < "$TMP/in.vlrm"
    says "http://127.0.0.1:9/v1: "
    says "is the server running?"
}

@test "in a pipe that trains: by function and by judge, batch by batch; with another function the run is refused" {
    train=(vlrm train --model "$ORACLE/blip2" --itm "$ORACLE/itm" --batch 10 --max-new-tokens 12 --learning-rate 1e-2 "$ORACLE/f64/images")
    "${train[@]}" --run "$TMP/run" --score "$TMP/length.py" --score-weight 0.5 --max-steps 1 --keep-batches 2 > "$TMP/m"
    vlrm-cat "$TMP/run/batches/step-000001/batch.vlrm" | jq -es 'map(select(.id)) | length == 10 and all(.reward.parts | has("length"))'
    "${train[@]}" --run "$TMP/run" --score "$TMP/length.py" --score-weight 0.5 --max-steps 2 --keep-batches 2 > "$TMP/m"
    jq -es 'map(.step) == [2]' "$TMP/m"
    echo '# changed' >> "$TMP/length.py"
    exits 6 "${train[@]}" --run "$TMP/run" --score "$TMP/length.py" --score-weight 0.5 --max-steps 3
    says "score of score is digest"
    judge_start
    "${train[@]}" --run "$TMP/judged" --score "$url" --max-steps 1 > "$TMP/m"
    jq -es 'map(.step) == [1]' "$TMP/m"
    [ "$(wc -l < "$TMP/asked")" -ge 10 ]
}
