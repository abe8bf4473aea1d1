#!/bin/bash
# BLEU, ROUGE-L and CIDEr of captions with five references each, on one core: vlrm-eval --references, its seconds and largest
# memory at each number of images; and beside the first of them pycocoevalcap (its tokeniser in Java, then Bleu, Rouge and Cider), as
# a ratio. The peer needs VLRM_ORACLE=PYTHON with pycocoevalcap, and java.
#
#     tests/bench/overlap.sh [IMAGES...]     5000 where none is given
set -eu
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
[ $# -gt 0 ] || set -- 5000

# used COMMAND...: "SECONDS MIB": of the processors, user and system; resident at most.
used() {
    python3 - "$@" <<'USED'
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
u = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"{u.ru_utime + u.ru_stime:.2f} {u.ru_maxrss / 1024:.0f}")
USED
}
for images in "$@"; do
    python3 tests/bench/overlap.py "$images" >"$folder/lines-$images"
    bin/vlrm-cat --from=json "$folder/lines-$images" >"$folder/in.vlrm"
    used taskset -c 0 bin/vlrm-eval --references --threads 1 "$folder/in.vlrm" >"$folder/ours-$images"
    read -r seconds mib <"$folder/ours-$images"
    echo "vlrm-eval --references, $images captions x 5 references: $seconds s of one core, $mib MiB"
done
if [ -z "${VLRM_ORACLE:-}" ] || ! command -v java >/dev/null; then
    echo "bench: SKIPPED pycocoevalcap: it needs VLRM_ORACLE=PYTHON with pycocoevalcap, and java"
    exit
fi
cat >"$folder/peer.py" <<'PEER'
import json, sys
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
records = [json.loads(line) for line in open(sys.argv[1])]
wrap = lambda texts: [{"caption": t} for t in texts]
tokenizer = PTBTokenizer()
gts = tokenizer.tokenize({r["id"]: wrap(r["frame"]["references"]) for r in records})
res = tokenizer.tokenize({r["id"]: wrap([r["caption"]["text"]]) for r in records})
print(Bleu(4).compute_score(gts, res)[0], Rouge().compute_score(gts, res)[0], Cider().compute_score(gts, res)[0])
PEER
read -r ours _ <"$folder/ours-$1"
read -r peer mib <<<"$(used taskset -c 0 "$VLRM_ORACLE" "$folder/peer.py" "$folder/lines-$1")"
awk -v a="$ours" -v b="$peer" -v m="$mib" -v n="$1" 'BEGIN {printf "pycocoevalcap, %d: %.2f s, %d MiB; it takes %.1f times as long\n", n, b, m, b / a}'
