/* Feeds every file of a corpus folder to a fuzz target, and every file cut short at some lengths. Stands in for
 * libFuzzer in the test run. Usage: TARGET FOLDER */
#include "fuzz_target.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 1 << 20, CUTS = 64 };

static size_t read_file(const char *path, uint8_t *buf) {
    FILE *file = fopen(path, "rb");
    if (!file) return SIZE_MAX;
    size_t n = fread(buf, 1, MAX_BYTES, file);
    fclose(file);
    return n;
}

int main(int argc, char **argv) {
    static uint8_t bytes[MAX_BYTES];
    size_t n_files = 0, n_inputs = 0;
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (!folder) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[4096];
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        size_t n = read_file(path, bytes);
        if (n == SIZE_MAX) continue;
        LLVMFuzzerTestOneInput(bytes, n);
        for (size_t i = 0; i < CUTS; i++) LLVMFuzzerTestOneInput(bytes, n * i / CUTS);
        n_files++;
        n_inputs += CUTS + 1;
    }
    closedir(folder);
    printf("%zu files, %zu inputs\n", n_files, n_inputs);
    return n_files > 0 ? 0 : 1;
}
