# The library and its C specs on 32 bits, by `./dev test --all` only: gcc -m32, and Debian's i386 libraries unpacked into the
# cache, so that the machine itself stays as it is.
i386_home=$cache/i386
i386_packages=(libcmocka-dev libcmocka0 liblz4-dev liblz4-1 zlib1g-dev zlib1g libssl-dev libssl3 libev-dev libev4 libc-ares-dev
    libc-ares2)

can_compile_i386() { # and run it
    local probe=$cache/i386-probe
    echo 'int main(void) { return sizeof(long) != 4; }' | gcc -m32 -x c -o "$probe" - 2>/dev/null && "$probe"
}

have_i386() { [ -f "$i386_home/complete" ] && can_compile_i386; }

apt_i386() {
    apt-get -o APT::Architecture=i386 -o APT::Architectures=i386 -o Dir::State::status=/dev/null -o APT::Sandbox::User= \
        -o Dir::State::lists="$i386_home/lists" -o Dir::Cache="$i386_home/cache" "$@"
}

unpack_i386() {
    local package
    rm -rf "$i386_home"
    mkdir -p "$i386_home/lists/partial" "$i386_home/cache/archives/partial" "$i386_home/root" &&
        cd "$i386_home" && { apt_i386 update || true; } && apt_i386 download "${i386_packages[@]}" || return 1
    for package in *.deb; do dpkg -x "$package" root || return 1; done
    rm -rf lists cache ./*.deb
    touch complete
}

# False where it cannot be had.
fetch_i386() {
    can_compile_i386 || return 1
    [ -f "$i386_home/complete" ] || step "i386: fetch the libraries" unpack_i386 || true
    have_i386
}

build_i386() {
    export CQLUA_I386=$i386_home/root
    build_into "$root/build-i386" "-DCMAKE_TOOLCHAIN_FILE=$root/cmake/i386.cmake"
}

dev_build_i386() { step "build on 32 bits" build_i386; }
