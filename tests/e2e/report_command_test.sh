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
expect "rows of the CSV" 0 '^5$' sh -c "wc -l <'$folder/c.csv' | tr -d ' '"
expect "rows of the JSON lines" 0 '^12$' sh -c "wc -l <'$folder/r.jsonl' | tr -d ' '"
expect "no part files left" 1 '^$' sh -c "ls '$folder' | grep -E 'html\.|csv\.|jsonl\.' || { echo; exit 1; }"
expect "help" 0 'Example: edgewise report' "$edgewise" report --help
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
