/* Writes the store of report_fixture.h, or quality_fixture.h, for the end-to-end tests: make_report_store PATH [energy]
 * [unfinished] [hostile] [quality]. */
#include "quality_fixture.h"

int main(int argc, char **argv) {
    struct report_fixture_options options = {0};
    bool quality = false;
    if (argc < 2) return 2;
    for (int i = 2; i < argc; i++) {
        options.energy |= strcmp(argv[i], "energy") == 0;
        options.unfinished |= strcmp(argv[i], "unfinished") == 0;
        options.hostile |= strcmp(argv[i], "hostile") == 0;
        quality |= strcmp(argv[i], "quality") == 0;
    }
    (quality ? quality_fixture_make : report_fixture_make)(argv[1], options);
    return 0;
}
