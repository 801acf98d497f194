#!/bin/bash
# Builds the engine library, its unit tests and the kernel checks for 64-bit ARM and runs them: under qemu-user on other
# machines, natively on an ARM one. The kernel checks run on several imitated processors, each kernel variant on the
# least one that has what it needs, so that the library is known to start on plain ARMv8.0 and no variant to use more than
# it says. Emulation is slow: each variant and each unit test once. Ends with `N passed, N failed, N skipped`.
set -u
cd "$(dirname "$0")/.." || exit 1
folder=build-arm64
logs=()
built=()

say() { echo "edgewise: $*"; }

# Without these packages there is nothing to run: say why and stop.
give_up() { # kind, why
    say "$2" >&2
    case $1 in
    skipped) echo "skipped: arm: $2"; echo "0 passed, 0 failed, 1 skipped"; exit 0 ;;
    *) echo "failed: arm: $2"; echo "0 passed, 1 failed, 0 skipped"; exit 1 ;;
    esac
}

# Debian keeps arm64 packages beside amd64 ones; elsewhere (Ubuntu: ports.ubuntu.com) adding the architecture without
# changing the package sources would break apt-get update for everything else.
check_cross_packages() {
    [ "${EDGEWISE_NO_DEPS:-}" != 1 ] || return 0
    if command -v aarch64-linux-gnu-gcc >/dev/null && command -v qemu-aarch64 >/dev/null &&
        [ -e /usr/lib/aarch64-linux-gnu/pkgconfig/cmocka.pc ]; then
        return 0
    fi
    local id=unknown
    [ ! -r /etc/os-release ] || id=$(. /etc/os-release && echo "${ID:-unknown}")
    [ "$id" = debian ] || give_up skipped "the arm64 packages are installed for you on Debian only (this is $id); \
with gcc-aarch64-linux-gnu, qemu-user and libcmocka-dev, libpcre2-dev for arm64 there: make EDGEWISE_NO_DEPS=1 check-arm"
}

configure() { # meson options…
    [ ! -f "$folder/build.ninja" ] || meson configure "$folder" >/dev/null 2>&1 || rm -rf "$folder"
    [ ! -d "$folder" ] || [ -f "$folder/build.ninja" ] || rm -rf "$folder"
    [ -f "$folder/build.ninja" ] ||
        meson setup "$folder" -Dwerror=true -Dprogram=false --buildtype=debugoptimized "$@" >"$folder.log" 2>&1 || {
        tail -20 "$folder.log"
        return 1
    }
    rm -f "$folder.log"
}

run_tests() { # name, meson test options…
    local name=$1
    shift
    echo "== arm $name: tests"
    rm -f "$folder/meson-logs/testlog.json"
    meson test -C "$folder" --no-rebuild --quiet --timeout-multiplier 10 "$@" </dev/null
    [ ! -f "$folder/meson-logs/testlog.json" ] || mv "$folder/meson-logs/testlog.json" "$folder/meson-logs/testlog-$name.json"
    logs+=("arm $name=$folder/meson-logs/testlog-$name.json")
}

case $(uname -m) in
aarch64 | arm64)
    cpus=native
    tools/install-deps.sh build || give_up failed "packages are missing"
    cross=()
    ;;
*)
    cpus="cortex-a53 cortex-a76 max" # plain ARMv8.0; dot products; all that the emulator knows
    check_cross_packages
    tools/install-deps.sh build arm || give_up failed "packages are missing"
    cross=(--cross-file tools/cross-aarch64.txt)
    ;;
esac

rm -f "$folder"/meson-logs/testlog-*.json
echo "== arm: build"
if configure "${cross[@]}" && ninja -C "$folder" --quiet; then
    built+=("passed arm: builds without warnings")
    for cpu in $cpus; do
        [ "$cpu" = native ] || export QEMU_CPU=$cpu
        case $cpu in
        native) run_tests "$cpu" --suite kernel --suite unit ;;
        cortex-a53) EW_CHECK_VARIANTS="ref neon" run_tests "$cpu" --suite kernel ;;
        cortex-a76) EW_CHECK_VARIANTS=dotprod run_tests "$cpu" --suite matmul --suite unit ;;
        max) EW_CHECK_VARIANTS=i8mm run_tests "$cpu" --suite matmul ;;
        esac
    done
else
    built+=("failed arm: build")
fi

echo "== result"
printf '%s\n' "${built[@]}" | tools/count_tests.py "${logs[@]}"
