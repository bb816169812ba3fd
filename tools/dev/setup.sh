# ./dev setup: the Debian packages that are missing, and no others.
packages=(gcc g++ libc6-dev cmake ninja-build pkg-config luajit2 libluajit2-5.1-dev libev-dev libssl-dev zlib1g-dev
    liblz4-dev libc-ares-dev libcmocka-dev lua-busted lua-check lua5.3 liblua5.3-dev lua5.4 liblua5.4-dev
    clang-format clang-tidy cppcheck openssl
    libuv1-dev lua-luv lua-cqueues)

# The major version of the java on PATH ("17"), 0 if there is none.
java_major() {
    local text
    text=$(java -version 2>&1) || { echo 0; return; }
    [[ $text =~ version\ \"(1\.)?([0-9]+) ]] && echo "${BASH_REMATCH[2]}" || echo 0
}

missing_packages() {
    local package installed
    # dpkg-query fails when it does not know one of them, and lists the others all the same
    installed=" $({ dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null || true; } |
        awk '$2 == "installed" { printf "%s ", $1 }')"
    for package in "${packages[@]}"; do
        [[ $installed == *" $package "* ]] || echo "$package"
    done
    [ "$(java_major)" -ge 11 ] || echo openjdk-17-jre-headless
    have mvn || echo maven
}

install_packages() {
    local as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

dev_setup() {
    no_more_arguments setup "$@"
    have dpkg-query || die "setup knows Debian and its kin only; what is needed elsewhere:" \
        "${packages[*]}, Java 11 or later, Maven"
    local missing
    mapfile -t missing < <(missing_packages)
    if [ "${#missing[@]}" -eq 0 ]; then
        echo "setup: nothing is missing"
        return 0
    fi
    echo "setup: installs ${missing[*]}"
    [ "$(id -u)" -eq 0 ] || have sudo || die "setup must be run by root, or with sudo installed"
    step "install ${#missing[@]} packages" install_packages "${missing[@]}"
}
