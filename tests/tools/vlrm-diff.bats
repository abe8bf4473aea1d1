# vlrm-diff: totals, changes and order against sums done in jq and Python; ids of one side; equal; wrong input.
# bats file_tags=asan

setup() {
    load ../programs/oracle
    oracle_setup
    small=$ORACLE/blip2
    rewarded | vlrm-reward --recombine --model "$small" > "$TMP/a.vlrm"
}

@test "a recording equals itself and its recombination" {
    exits 0 vlrm-diff "$TMP/a.vlrm" "$TMP/a.vlrm"
    says "30 captions in both"
    says "0 of 435 pairs swapped, tau 1, 0 captions moved"
    vlrm-reward --recombine --model "$small" "$TMP/a.vlrm" > "$TMP/b.vlrm"
    exits 0 vlrm-diff - "$TMP/b.vlrm" < "$TMP/a.vlrm"
}

@test "other weights and lists: totals, changes and order are those of a plain count" {
    printf 'circle\na\n' > "$TMP/phrases"
    vlrm-reward --recombine --model "$small" --ref-weight 0.25 --bad-phrases "$TMP/phrases" "$TMP/a.vlrm" > "$TMP/b.vlrm"
    exits 7 vlrm-diff --json "$TMP/a.vlrm" "$TMP/b.vlrm"
    echo "$output" > "$TMP/found"
    jq -e '.params["ref-weight"] == [1.0, 0.25] and (.params["bad-phrases"][1] | endswith("phrases")) and (.params | length) == 2' "$TMP/found"
    for side in a b; do vlrm-cat "$TMP/$side.vlrm" | jq -c 'select(.id)' > "$TMP/$side"; done
    python3 - "$TMP/a" "$TMP/b" "$TMP/found" <<'END'
import json, math, statistics, sys
a, b = ([json.loads(l) for l in open(p)] for p in sys.argv[1:3])
found = json.load(open(sys.argv[3]))
assert found["captions"] == 30 == len(a)
get = {"itm": lambda r: r["parts"]["itm"], "sim": lambda r: r["sim"], "ref": lambda r: r["ref"], "noeos": lambda r: r["noeos"],
       "bad": lambda r: sum(r["bad"]), "repeat": lambda r: sum(r["repeat"]), "return": lambda r: r["returns"][0]}
near = lambda x, y: abs(x - y) < 1e-9 * (1 + abs(y))
for name, f in get.items():
    p, x, y = found["parts"][name], [f(r["reward"]) for r in a], [f(r["reward"]) for r in b]
    for side, v in (("a", x), ("b", y)):
        assert near(p[side]["mean"], statistics.fmean(v)) and near(p[side]["std"], statistics.stdev(v)), (name, side)
    assert near(p["difference"], statistics.fmean(y) - statistics.fmean(x))
marks = lambda name: sum(r["reward"][name] != s["reward"][name] for r, s in zip(a, b))
assert found["parts"]["bad"]["changed"] == marks("bad") > 0 and found["parts"]["repeat"]["changed"] == marks("repeat")
assert found["parts"]["sim"]["changed"] == 0 and found["parts"]["return"]["changed"] == marks("returns") > 0
x, y = [r["reward"]["returns"][0] for r in a], [r["reward"]["returns"][0] for r in b]
pairs = [(i, j) for i in range(30) for j in range(i)]
sign = lambda v: (v > 0) - (v < 0)
s = [sign(x[i] - x[j]) * sign(y[i] - y[j]) for i, j in pairs]
tied = lambda v: sum(v[i] == v[j] for i, j in pairs)
o = found["order"]
assert o["swapped"] == s.count(-1) > 0 and o["pairs"] == 435
assert near(o["tau"], sum(s) / math.sqrt((435 - tied(x)) * (435 - tied(y))))
rank = lambda v: [1 + sum(w > u for w in v) for u in v]
moved = {r["id"]: (p, q) for r, p, q in zip(a, rank(x), rank(y)) if p != q}
assert o["moved"] == len(moved) and len(o["most"]) == min(10, len(moved))
assert all(moved[m["id"]] == (m["from"], m["to"]) for m in o["most"])
far = [abs(m["from"] - m["to"]) for m in o["most"]]
assert far == sorted((abs(p - q) for p, q in moved.values()), reverse=True)[:10]
END
    exits 7 vlrm-diff --top 2 "$TMP/a.vlrm" "$TMP/b.vlrm"
    says '--ref-weight: 1.0, now 0.25'
    [ "$(grep -c 'from place' <<< "$output")" = 2 ]
}

@test "tied returns, captions without tokens" {
    lines() { jq -cn --args '$ARGS.positional | to_entries[] | {id: "r\(.key)", reward: {sim: 1, ref: null, noeos: 0, bad: [0], repeat: [0], returns: (if .value == "-" then [] else [.value | tonumber] end), parts: {itm: 1, phi: null}}}' "$@" | vlrm-cat --from=json; }
    lines 1 1 2 3 - > "$TMP/a.vlrm"
    lines 2 1 1 3 - > "$TMP/b.vlrm"
    exits 7 vlrm-diff --json "$TMP/a.vlrm" "$TMP/b.vlrm"
    # pairs of the four: (0,1) tied in A, (1,2) tied in B, (0,2) swapped, three with r3 agree
    jq -e '.order | .ranked == 4 and .pairs == 6 and .swapped == 1 and ((.tau - 2 / 5) | fabs) < 1e-12 and .moved == 2' <<< "$output"
}

@test "ids of one recording, other captions, other returns further on" {
    vlrm-cat --id 0001,0002,0003 --to=stream "$TMP/a.vlrm" > "$TMP/x.vlrm"
    vlrm-cat --id 0002,0003,0004 --to=stream "$TMP/a.vlrm" > "$TMP/y.vlrm"
    exits 7 vlrm-diff "$TMP/x.vlrm" "$TMP/y.vlrm"
    says "2 captions in both"
    says "only in $TMP/x.vlrm: 1: 0001"
    says "only in $TMP/y.vlrm: 1: 0004"
    vlrm-cat --id 0003 "$TMP/a.vlrm" | jq -c 'if .id then .caption.tokens[0] = 5 | del(.reward.caption) else empty end' | vlrm-cat --from=json > "$TMP/z.vlrm"
    vlrm-cat --id 0003 --to=stream "$TMP/a.vlrm" > "$TMP/x.vlrm"
    exits 7 vlrm-diff "$TMP/x.vlrm" "$TMP/z.vlrm"
    says "1 have another caption"
    vlrm-cat "$TMP/a.vlrm" | jq -c 'if .id == "0003" then .reward.returns[-1] += 1 else . end' | grep '"id"' | vlrm-cat --from=json > "$TMP/z.vlrm"
    exits 7 vlrm-diff --json "$TMP/a.vlrm" "$TMP/z.vlrm"
    [ "$(jq .parts.return.changed <<< "$output")" = 1 ]
}

@test "wrong input" {
    captions > "$TMP/none.vlrm"
    exits 3 vlrm-diff "$TMP/none.vlrm" /dev/stdin < <(captions)
    says "record 0000: $TMP/none.vlrm: no reward"
    cat "$TMP/a.vlrm" "$TMP/a.vlrm" > "$TMP/twice.vlrm"
    exits 3 vlrm-diff "$TMP/a.vlrm" "$TMP/twice.vlrm"
    says "this id came before"
    head -c 5000 "$TMP/a.vlrm" > "$TMP/cut.vlrm"
    exits 5 vlrm-diff "$TMP/a.vlrm" "$TMP/cut.vlrm"
    exits 2 vlrm-diff "$TMP/a.vlrm"
    says "1 operand"
    exits 2 vlrm-diff - -
    says "- twice"
}
