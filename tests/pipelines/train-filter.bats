# vlrm train --filter: a program of the user's own between reward and update; its parts become metrics; where it fails it is named.

setup() {
    load ../programs/oracle
    oracle_setup
    cp -r images "$TMP/images"
    cd "$TMP" || return
    train=("$ROOT/bin/vlrm" train --run run --model "$ORACLE/blip2" --itm "$ORACLE/itm" --batch 4 --max-steps 2 --max-new-tokens 8 --value-head linear images)
}

@test "its parts are metrics, its returns are what is trained on" {
    # shellcheck disable=SC2016 # jq's variable
    one='vlrm-cat --bin=base64 | jq -c --unbuffered "if .reward then .reward.returns |= map(. + 100) | .reward.parts.mine = 100 | .reward.parts.note = \"x\" else . end" | vlrm-cat --from=json'
    "${train[@]}" --filter "$one" > out
    jq -es 'length == 2 and all(.parts == {mine: {mean: 100, std: 0}} and .reward.mean > 50)' run/metrics.jsonl
    [ "$(jq -r .filter run/train.json)" = "$one" ]
    [ -e run/logs/filter.log ]
}

@test "a filter that fails is the stage that is named" {
    exits 9 "${train[@]}" --filter 'head -c 100 > /dev/null; echo no more >&2; exit 9'
    says "vlrm train: filter ended with status 9"
    says "no more"
    exits 2 "${train[@]}" --filter
    says "--filter needs a value"
}
