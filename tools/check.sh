#!/bin/bash
# Builds the variants and runs their tests. Goes on after a failure, lists what failed and what was skipped, and ends
# with the line `N passed, N failed, N skipped`; exit status 1 if anything failed.
#   tools/check.sh all|sanitize
set -u
cd "$(dirname "$0")/.." || exit 1
what=${1:-all}
logs=()      # testlog.json of each variant that ran
built=()     # steps that count as one test each: "passed|failed|skipped name"

step() { echo "== $*"; }

# A build folder with other options, or left by another checkout or an older meson, is made anew. `build` is the user's.
configure() { # folder, meson options…
    local folder=$1
    shift
    if [ -f "$folder/build.ninja" ]; then
        [ "$folder" != build ] || return 0
        [ "$(cat "$folder/options" 2>/dev/null)" != "$*" ] || ! meson configure "$folder" >/dev/null 2>&1 || return 0
    fi
    rm -rf "$folder"
    meson setup "$folder" "$@" >"$folder.log" 2>&1 || {
        tail -20 "$folder.log"
        return 1
    }
    echo "$*" >"$folder/options"
    rm "$folder.log"
}

build() { # name, folder, targets: "all" or a list, meson options…
    local name=$1 folder=$2 targets=$3
    shift 3
    step "$name: build"
    # shellcheck disable=SC2086 # targets is a list
    if configure "$folder" "$@" && ninja -C "$folder" --quiet $targets; then
        built+=("passed $name: builds without warnings")
    else
        built+=("failed $name: build")
        return 1
    fi
}

run_tests() { # name, folder, meson test options…
    local name=$1 folder=$2
    shift 2
    step "$name: tests"
    rm -f "$folder"/meson-logs/testlog.json
    meson test -C "$folder" --no-rebuild --quiet --print-errorlogs "$@" </dev/null | sed '/^Ok: /,/^Full log/d; /^$/d'
    logs+=("$name=$folder/meson-logs/testlog.json")
}

# With assertions, as the sanitizer builds; clang's build is without them, as the release binary. What people do with
# the program (e2e) runs twice, by gcc and under the sanitizers; a third time by clang took minutes and found nothing.
check_gcc() {
    build gcc build-check all -Dwerror=true --buildtype=debugoptimized &&
        run_tests gcc build-check --timeout-multiplier 3 &&
        build release build edgewise --buildtype=release
}

check_clang() {
    if ! command -v clang >/dev/null; then
        built+=("skipped clang: not installed")
        return
    fi
    CC=clang build clang build-clang all -Dwerror=true --buildtype=release &&
        run_tests clang build-clang --no-suite style --no-suite e2e --timeout-multiplier 3
}

check_sanitizers() {
    build asan build-asan all --buildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false &&
        run_tests asan build-asan --no-suite style --timeout-multiplier 8
    build tsan build-tsan "tests/unit/base/test_thread_pool tests/unit/engine/test_thread_independence" \
        --buildtype=debugoptimized -Db_sanitize=thread -Db_lundef=false -Dprogram=false &&
        run_tests tsan build-tsan --timeout-multiplier 8 thread_pool thread_independence
}

# Not detect_stack_use_after_return: gcc 12 then misaligns 64-byte vectors on its imitated stack (GCC bug 110027).
export ASAN_OPTIONS=${ASAN_OPTIONS:-halt_on_error=1:abort_on_error=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-halt_on_error=1:abort_on_error=1:print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1}

tools/install-deps.sh build check || {
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
}
case $what in
all) check_gcc && check_clang; check_sanitizers ;;
sanitize) check_sanitizers ;;
*)
    echo "check.sh: \`$what' is not a choice (all, sanitize)" >&2
    exit 2
    ;;
esac

step "result"
printf '%s\n' "${built[@]}" | tools/count_tests.py "${logs[@]}"
