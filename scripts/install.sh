#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what is missing on Debian 12. `scripts/install.sh run` is what ./run needs, `scripts/install.sh test`
# what ./test needs. Does nothing, quickly and silently, when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

BUILD="python3 meson ninja-build gcc libc6-dev pkg-config libsqlite3-dev libssl-dev libyaml-dev
       liburing-dev zlib1g-dev libseccomp-dev libcurl4-openssl-dev"
TEST="libcmocka-dev openssl valgrind systemd clang clang-format clang-tidy cppcheck libclang-rt-14-dev chromium ca-certificates
      curl python3-websockets"

say() {
    echo "install: $*" >&2
}

# The packages of those named that are not installed. Node may come from anywhere, so its command counts.
missing() {
    for package in "$@"; do
        case $package in
        nodejs) command -v node >/dev/null || echo "$package" ;;
        npm) command -v npm >/dev/null || echo "$package" ;;
        *) dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || echo "$package" ;;
        esac
    done
}

install_packages() {
    if ! command -v apt-get >/dev/null; then
        say "this is no Debian: see to it yourself that these are there: $*"
        return
    fi
    local lacking as_root=""
    lacking=$(missing "$@" | xargs)
    if [ -z "$lacking" ]; then
        return
    fi
    if [ "$(id -u)" != 0 ]; then
        as_root=sudo
        if ! command -v sudo >/dev/null; then
            say "these packages are missing, and there is neither root nor sudo to install them: $lacking"
            exit 1
        fi
    fi
    say "installing $lacking"
    export DEBIAN_FRONTEND=noninteractive
    $as_root apt-get -q update >&2 || say "apt-get update failed; trying with the package lists at hand"
    # shellcheck disable=SC2086
    $as_root apt-get -q -y install --no-install-recommends $lacking >&2
}

# npm packages of the tests, anew only when the lock file has changed since.
install_node_modules() {
    local stamp=node_modules/.installed-from
    (
        cd tests
        if ! cmp -s package-lock.json "$stamp"; then
            say "installing the tests' npm packages"
            npm ci --no-audit --no-fund >&2
            cp package-lock.json "$stamp"
        fi
    )
}

case ${1:-} in
run)
    # shellcheck disable=SC2086
    install_packages $BUILD
    ;;
test)
    # shellcheck disable=SC2086
    install_packages $BUILD $TEST nodejs npm
    node -e 'const [a, b] = process.versions.node.split("."); process.exit(a * 100 + +b < 1819 ? 1 : 0)' || {
        say "node $(node --version) is too old for the tests: 18.19 or newer is needed"
        exit 1
    }
    install_node_modules
    ;;
*)
    echo "usage: scripts/install.sh run|test" >&2
    exit 2
    ;;
esac
