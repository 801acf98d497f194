#!/bin/bash
# The demo: a study of small models on this machine, and its report. Stopped at any moment, the same command goes on.
set -eu
cd "$(dirname "$0")/.."
edgewise=build/edgewise
need_mib=3300 # three sizes each of two models, types of the one in the box, and the results

mkdir -p demo models/synth
there_mib=$(du -sm models/synth | cut -f1)
free_mib=$(df -Pm . | awk 'NR == 2 {print $4}')
echo "The demo writes model files (random weights, and types of the one in the box) to models/synth/ and its results to"
echo "demo/: about $need_mib MiB of disk, of which $there_mib MiB are there already; $free_mib MiB are free. To give them"
echo "back: rm -r models/synth demo"
if [ $((there_mib + free_mib)) -lt "$need_mib" ]; then
    echo "demo: $free_mib MiB are free in $(pwd), $((need_mib - there_mib)) are needed" >&2
    exit 1
fi
"$edgewise" study --yes --store demo/demo.db studies/demo.yaml || {
    status=$?
    echo "demo: the study has not ended; \`make demo' goes on where it stopped" >&2
    exit $status
}
"$edgewise" report demo/demo.db --html demo/report.html
echo
echo "The report: file://$(pwd)/demo/report.html"
