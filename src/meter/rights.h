/* What a user without root's rights types to read a meter. The shipped files in packaging/ say the same; a test
 * compares them. Running Edgewise itself as root is never the advice. */
#ifndef EW_METER_RIGHTS_H
#define EW_METER_RIGHTS_H

#define EW_RIGHTS_GROUP "edgewise"
#define EW_RIGHTS_RULES_FILE "70-edgewise.rules"

/* The line of packaging/70-edgewise.rules that opens RAPL's counters to the group. */
#define EW_RIGHTS_POWERCAP_RULE                                                                                        \
    "SUBSYSTEM==\"powercap\", ACTION==\"add\", TEST==\"energy_uj\", "                                                  \
    "RUN+=\"/bin/chgrp " EW_RIGHTS_GROUP " /sys%p/energy_uj\", RUN+=\"/bin/chmod g+r /sys%p/energy_uj\""

#define EW_RIGHTS_POWERCAP                                                                                             \
    "until the next start: sudo chmod a+r /sys/class/powercap/intel-rapl*:*/energy_uj · for good: "                   \
    "sudo groupadd -f " EW_RIGHTS_GROUP "; sudo usermod -aG " EW_RIGHTS_GROUP                                          \
    " $USER; in /etc/udev/rules.d/" EW_RIGHTS_RULES_FILE " the line " EW_RIGHTS_POWERCAP_RULE                          \
    "; sudo udevadm trigger -c add -s powercap; log in again"

#define EW_RIGHTS_PERF                                                                                                 \
    "for this program alone: sudo setcap cap_perfmon+ep $(which edgewise) · for everybody until the next start: "     \
    "sudo sysctl kernel.perf_event_paranoid=0 · for everybody and good: "                                             \
    "echo kernel.perf_event_paranoid=0 | sudo tee /etc/sysctl.d/70-edgewise.conf"

#endif
