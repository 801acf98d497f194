#!/bin/bash
# edgewise report from the outside: what it prints, what it writes, and how it refuses. EDGEWISE MAKE_REPORT_STORE
set -u
edgewise=$1 make_store=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0
expect() { # what, expected status, pattern in the output, command…
    local what=$1 status=$2 pattern=$3 out rc
    shift 3
    out=$("$@" 2>&1)
    rc=$?
    if [ "$rc" != "$status" ] || ! grep -q -e "$pattern" <<<"$out"; then
        echo "failed: $what: status $rc (expected $status), output: $out"
        failed=1
    fi
}

"$make_store" "$folder/s.db" || exit 1
expect "terminal" 0 '^big ¹  Q4_0 ' "$edgewise" report "$folder/s.db"
expect "markdown" 0 '^| big ¹ | Q4\\_0 | 2/2 |' "$edgewise" report "$folder/s.db" --markdown
expect "JSON" 0 '"format": "edgewise-report"' "$edgewise" report "$folder/s.db" --json
expect "CSV on the terminal" 0 '^model,synthetic,type' "$edgewise" report "$folder/s.db" --csv -
expect "all files" 0 "written: $folder/p.html" "$edgewise" report "$folder/s.db" --html "$folder/p.html" --csv "$folder/c.csv" --jsonl "$folder/r.jsonl"
expect "llama-bench table" 0 '^| ? 1.00 M Q8_0 | 1.01 MiB | 1.00 M | CPU | 1 | pp100 | 2000.00 ± 0.00 |' sh -c "'$edgewise' report '$folder/s.db' --llama-bench '$folder/l.md' >'$folder/said' && cat '$folder/l.md'"
# Runs of 10, 1 / 0.078 and 16 tokens/s: their mean is 12.940171.
expect "llama-bench JSON" 0 '^6 4 12.940171$' python3 -c "
import json, subprocess
rows = json.loads(subprocess.run(['$edgewise', 'report', '$folder/s.db', '--llama-bench', '-'], capture_output=True, check=True).stdout)
decode = [r for r in rows if r['n_gen'] == 11 and r['n_threads'] == 1][1]
print(len(rows), len([r for r in rows if r['synthetic']]), '%.6f' % decode['avg_ts'])"
# The columns of llama-bench, in its order; readers of its output look for all of them.
expect "llama-bench CSV" 0 '^build_commit,build_number,cpu_info,gpu_info,backends,model_filename,model_type,model_size,model_n_params,n_batch,n_ubatch,n_threads,cpu_mask,cpu_strict,poll,type_k,type_v,n_gpu_layers,n_cpu_moe,split_mode,main_gpu,no_kv_offload,flash_attn,devices,tensor_split,tensor_buft_overrides,use_mmap,use_direct_io,embeddings,no_op_offload,no_host,n_prompt,n_gen,n_depth,test_time,avg_ns,stddev_ns,avg_ts,stddev_ts,synthetic$' sh -c "'$edgewise' report '$folder/s.db' --llama-bench '$folder/l.csv' >'$folder/said' && cat '$folder/l.csv'"
expect "rows of the CSV" 0 '^5$' sh -c "wc -l <'$folder/c.csv' | tr -d ' '"
expect "rows of the JSON lines" 0 '^12$' sh -c "wc -l <'$folder/r.jsonl' | tr -d ' '"
expect "no part files left" 1 '^$' sh -c "ls '$folder' | grep -E 'html\.|csv\.|jsonl\.' || { echo; exit 1; }"
expect "help" 0 'edgewise report demo/demo.db --html' "$edgewise" report --help
expect "recommended" 0 '^Recommended for you   Run tiny Q8_0' "$edgewise" report "$folder/s.db" --max-memory 100MiB
# First token after 0.1, 2.5 and 1.25 s; 100, 12.8 and 25 tokens/s.
expect "a class of one's own" 0 '^kiosk  *first token within 2 s, then 50 ms per token or less: 2 of 3 configurations: tiny' "$edgewise" report "$folder/s.db" --use kiosk=2s,50ms
expect "half a class" 0 '^slow  *100 ms per token or less: 3 of 3' "$edgewise" report "$folder/s.db" --use slow=,100ms
expect "class on the page" 0 '"own:kiosk": false' "$edgewise" report "$folder/s.db" --use kiosk=2s,50ms --json
expect "class that is none" 2 'is not NAME=FIRST,PER_TOKEN' "$edgewise" report "$folder/s.db" --use kiosk=2
"$make_store" "$folder/q.db" quality || exit 1
expect "least quality, not measured" 0 'quality was not measured in' "$edgewise" report "$folder/s.db" --min-quality 0.5
expect "least quality" 0 'Quality 0.61 (0.54 to 0.67): accuracy on made-up items, not told apart from 1 other' "$edgewise" report "$folder/q.db" --min-quality 0.5 --prefer speed
expect "what a step costs" 0 'F16 → Q8_0: 47 % smaller' "$edgewise" report "$folder/q.db"
expect "what a step costs, Markdown" 0 '^- \*\*tiny:\*\* Q8_0 → Q4_0: 47 % smaller' "$edgewise" report "$folder/q.db" --markdown
expect "answers to prompts" 0 'Four legs and a long tail' "$edgewise" report "$folder/q.db" --json
expect "nothing to recommend" 0 'average power was not measured' "$edgewise" report "$folder/s.db" --max-watts 5
expect "costs" 0 'Money in USD; rent: GPT-4o Mini at 0.15 in and 0.6 out' "$edgewise" report "$folder/s.db" --cost device_price=80 --cost lifetime_years=4 --cost api=gpt-4o-mini
expect "what was not stated" 0 'power at work was neither measured nor stated' "$edgewise" report "$folder/s.db" --cost device_price=80 --cost lifetime_years=4
expect "unknown cost" 2 '`colour` is not a key' "$edgewise" report "$folder/s.db" --cost colour=red
expect "cost out of range" 2 'lifetime_years: `0` is not a number from 0.01 to 100' "$edgewise" report "$folder/s.db" --cost lifetime_years=0
expect "unknown country" 2 '`Atlantis` is not in the list' "$edgewise" report "$folder/s.db" --cost country=Atlantis
expect "tariff in another currency" 2 'known in EUR and the currency is USD' "$edgewise" report "$folder/s.db" --cost country=DEU
expect "size without unit" 2 'is not a size such as 4GiB' "$edgewise" report "$folder/s.db" --max-memory 4
expect "two stores" 0 '^decode  *not known in 3 of 3' "$edgewise" report "$folder/s.db" "$folder/s.db"
expect "two stores, CSV" 0 '^"big Q4_0 · 1 thread",same,peak_memory_bytes,.*no difference' "$edgewise" report "$folder/s.db" "$folder/s.db" --csv -
expect "two stores, Markdown" 0 '^- \*\*matched:\*\* 4 configurations in both' "$edgewise" report "$folder/s.db" "$folder/s.db" --markdown
expect "two configurations" 0 '^second against first  decode, tok/s ' "$edgewise" report "$folder/s.db" --compare 2 --compare 3
expect "one configuration" 2 'give it twice' "$edgewise" report "$folder/s.db" --compare 2
expect "unknown configuration" 1 'no configuration has this id or label' "$edgewise" report "$folder/s.db" --compare 2 --compare none
expect "third store" 2 'two stores at most' "$edgewise" report "$folder/s.db" "$folder/s.db" "$folder/s.db"
expect "margin that is none" 2 'is not a percentage' "$edgewise" report "$folder/s.db" "$folder/s.db" --margin 3
expect "costs of two" 2 'not where two are compared' "$edgewise" report "$folder/s.db" "$folder/s.db" --cost device_price=3
expect "no store named" 2 'which store' "$edgewise" report
expect "unknown option" 2 'unrecognized option' "$edgewise" report "$folder/s.db" --nope
expect "missing store" 1 'none.db' "$edgewise" report "$folder/none.db"
expect "folder" 1 "$folder" "$edgewise" report "$folder"
echo "no store at all" >"$folder/text.db"
expect "foreign file" 1 'text.db' "$edgewise" report "$folder/text.db"
: >"$folder/empty.db"
expect "empty file" 1 'empty.db' "$edgewise" report "$folder/empty.db"
head -c 6000 "$folder/s.db" >"$folder/cut.db"
expect "damaged store" 1 'cut.db' "$edgewise" report "$folder/cut.db"
expect "place that is not there" 1 'nowhere/p.html: cannot be written' "$edgewise" report "$folder/s.db" --html "$folder/nowhere/p.html"
if [ -w /dev/full ]; then expect "full disk" 1 'cannot be written' sh -c "'$edgewise' report '$folder/s.db' --json >/dev/full"; fi
exit $failed
