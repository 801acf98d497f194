#!/bin/bash
# The demo: a study of small models on this machine, and its report. Resumable: the same command goes on.
set -eu
cd "$(dirname "$0")/.."
edgewise=build/edgewise
need_mib=4096

free_mib=$(df -Pm . | awk 'NR == 2 {print $4}')
echo "The demo writes model files with random weights to models/synth/ and results to demo/: at most $need_mib MiB of"
echo "disk ($free_mib MiB are free). \`rm -rf models/synth demo' gives them back."
if [ "$free_mib" -lt "$need_mib" ] && [ ! -d models/synth ]; then
    echo "demo: $free_mib MiB are free here, $need_mib are needed" >&2
    exit 1
fi
mkdir -p demo models/synth
"$edgewise" study studies/demo.yaml --store demo/demo.db
"$edgewise" report demo/demo.db --html demo/report.html
echo
echo "The report: $(pwd)/demo/report.html"
