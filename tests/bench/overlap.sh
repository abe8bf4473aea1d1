#!/bin/bash
# BLEU, ROUGE-L and CIDEr of 5,000 captions with five references each, on one core: vlrm-eval --references, and beside it pycocoevalcap
# (its tokeniser in Java, then Bleu, Rouge and Cider), as a ratio. The peer needs VLRM_ORACLE=PYTHON with pycocoevalcap, and java.
set -eu
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 tests/bench/overlap.py 5000 >"$folder/lines"
bin/vlrm-cat --from=json "$folder/lines" >"$folder/in.vlrm"

# seconds COMMAND...: of the processors, user and system.
seconds() {
    local TIMEFORMAT='%U %S'
    { time "$@" >"$folder/out" 2>"$folder/err"; } 2>&1 | awk '{print $1 + $2}'
}
ours=$(seconds taskset -c 0 bin/vlrm-eval --references --threads 1 "$folder/in.vlrm")
echo "vlrm-eval --references, 5,000 captions x 5 references: $ours s of one core"
if [ -z "${VLRM_ORACLE:-}" ] || ! command -v java >/dev/null; then
    echo "bench: SKIPPED pycocoevalcap: it needs VLRM_ORACLE=PYTHON with pycocoevalcap, and java"
    exit
fi
cat >"$folder/peer.py" <<'PEER'
import contextlib, io, json, sys
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
records = [json.loads(line) for line in open(sys.argv[1])]
wrap = lambda texts: [{"caption": t} for t in texts]
tokenizer = PTBTokenizer()
gts = tokenizer.tokenize({r["id"]: wrap(r["frame"]["references"]) for r in records})
res = tokenizer.tokenize({r["id"]: wrap([r["caption"]["text"]]) for r in records})
with contextlib.redirect_stdout(io.StringIO()):
    print(Bleu(4).compute_score(gts, res)[0], Rouge().compute_score(gts, res)[0], Cider().compute_score(gts, res)[0], file=sys.stderr)
PEER
peer=$(seconds taskset -c 0 "$VLRM_ORACLE" "$folder/peer.py" "$folder/lines")
awk -v a="$ours" -v b="$peer" 'BEGIN {printf "pycocoevalcap: %.2f s; it takes %.1f times as long\n", b, b / a}'
